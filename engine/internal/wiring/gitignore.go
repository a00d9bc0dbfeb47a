package wiring

import (
	"context"
	"path"
	"slices"
	"strings"

	"avion.internal/migrate/internal/child"
)

// owned are the files that git has to know, or the next update of the template finds nothing to compare with.
var owned = []string{".copier-answers.yml", ".goose.yml", ".env.example", targets, TemplateCompose, "tools/migrate/main.go", "docs/migration-setup.md"}

func (s Service) readGitignore(ctx context.Context, plan *Plan) error {
	if _, err := s.git(ctx, "ls-files", "--error-unmatch", ".env"); err == nil {
		plan.note(".env is committed, but it will hold the database's password: take it out with git rm --cached .env")
	}
	for _, file := range owned {
		if _, err := s.git(ctx, "check-ignore", "--quiet", "--no-index", file); err == nil {
			plan.note("git ignores %s, which belongs into the repository: add !/%s to .gitignore", file, file)
		}
	}
	content, there, err := s.read(".gitignore")
	if err != nil {
		return err
	}
	if !there {
		plan.absent(".gitignore")
		return nil
	}
	after := string(content)
	if !s.ignoresDotEnv(ctx, after) {
		if after != "" && !strings.HasSuffix(after, "\n") {
			after += endingOf(content)
		}
		after += ".env" + endingOf(content)
	}
	plan.edit(".gitignore", content, after)
	return nil
}

// ignoresDotEnv asks git, which knows every rule; outside a repository the plain line counts. A rule that only this
// clone or this person has keeps nobody else from committing the file.
func (s Service) ignoresDotEnv(ctx context.Context, rules string) bool {
	if _, err := s.git(ctx, "rev-parse", "--git-dir"); err == nil {
		rule, _ := s.git(ctx, "check-ignore", "--verbose", "--no-index", ".env") // file:line:pattern
		parts := strings.SplitN(rule, ":", 3)
		return len(parts) == 3 && path.Base(parts[0]) == ".gitignore" && !path.IsAbs(parts[0]) && !strings.HasPrefix(parts[2], "!")
	}
	return slices.ContainsFunc(strings.Fields(rules), func(rule string) bool { return rule == ".env" || rule == "/.env" })
}

func (s Service) git(ctx context.Context, arguments ...string) (string, error) {
	command := child.Git(ctx, arguments...)
	command.Dir = s.Folder
	output, err := command.Output()
	return string(output), err
}
