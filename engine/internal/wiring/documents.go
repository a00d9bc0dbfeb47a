package wiring

import (
	"context"
	"embed"
	"path"
	"strings"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

// sections are what the template's own README and CONTRIBUTING say about migrations, in each language of docs_language. The
// template takes them in from here.
//
//go:embed sections
var sections embed.FS

// guides are what the sections link to, in every language.
var guides = []string{"docs/migration-setup.md", "docs/migration-guide.md", "docs/migration-operations.md", "docs/migration-troubleshooting.md"}

// readDocuments adds to a document what the template's own says, unless it leads to one of the guides already.
func (s Service) readDocuments(_ context.Context, plan *Plan) error {
	for _, document := range []struct {
		name  string
		names []string
	}{
		{"README.md", []string{"README.md", "readme.md", "Readme.md"}},
		{"CONTRIBUTING.md", []string{"CONTRIBUTING.md", "contributing.md", "Contributing.md"}},
	} {
		found, err := s.present(document.names...)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			plan.absent(document.name)
			continue
		}
		content, _, err := s.read(found[0])
		if err != nil {
			return err
		}
		after := string(content)
		if !leadsToAGuide(after) {
			section, err := s.section(document.name)
			if err != nil {
				return err
			}
			after = appendLines(content, section)
		}
		plan.edit(found[0], content, after)
	}
	return nil
}

// section is what a document of the service says about migrations, in the language of its answers.
func (s Service) section(document string) (string, error) {
	answers, err := copier.ReadAnswers(s.Folder)
	if err != nil {
		return "", err
	}
	name, extension := strings.TrimSuffix(document, path.Ext(document)), path.Ext(document)
	content, err := sections.ReadFile(path.Join("sections", name+"."+answers.DocsLanguage+extension))
	if err != nil {
		return "", failure.Refused("docs_language in %s is %q, and no text for %s is in that language: restore the file with "+
			"git checkout HEAD -- %s", copier.AnswersFile, answers.DocsLanguage, document, copier.AnswersFile)
	}
	text := string(content)
	if answers.Chose(copier.Compose) {
		return strings.Replace(text, startServer+"postgres\n", startServer+answers.ComposeDatabase()+"\n", 1), nil
	}
	return strings.Replace(text, startServer+"postgres\n", "", 1), nil
}

// startServer is the command of the sections that names a service of compose; the template's own documents do the same to it.
const startServer = "docker compose up --detach --wait "

func leadsToAGuide(text string) bool {
	for _, guide := range guides {
		if strings.Contains(text, guide) {
			return true
		}
	}
	return false
}
