package wiring

import (
	"context"
	"path"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// parts is the folder with what the template's own README and CONTRIBUTING say about migrations, in the service's language.
const parts = "tools/migrate/wiring"

var link = regexp.MustCompile(`\]\((docs/[^)#]+)`)

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
		part, there, err := s.read(path.Join(parts, document.name+".part"))
		if err != nil {
			return err
		}
		if !there {
			return failure.Refused("%s is not there: bring it back with copier recopy", path.Join(parts, document.name+".part"))
		}
		content, _, err := s.read(found[0])
		if err != nil {
			return err
		}
		after := string(content)
		if !leadsToAGuide(after, string(part)) {
			after = appendLines(content, string(part))
		}
		plan.edit(found[0], content, after)
	}
	return nil
}

func leadsToAGuide(text, part string) bool {
	for _, match := range link.FindAllStringSubmatch(part, -1) {
		if strings.Contains(text, match[1]) {
			return true
		}
	}
	return false
}
