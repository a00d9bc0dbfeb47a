package wiring

import (
	"context"
	"os/exec"
	"slices"
	"strings"
)

// owned are the files that git has to know, or the next update of the template finds nothing to compare with.
var owned = []string{".copier-answers.yml", ".goose.yml", ".env.example", targets, database, "tools/migrate/main.go", "docs/migration-setup.md"}

func (s Service) readGitignore(ctx context.Context, plan *Plan) error {
	if s.git(ctx, "ls-files", "--error-unmatch", ".env") == nil {
		plan.note(".env is committed, but it will hold the database's password: take it out with git rm --cached .env")
	}
	for _, file := range owned {
		if s.git(ctx, "check-ignore", "--quiet", "--no-index", file) == nil {
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

// ignoresDotEnv asks git, which knows every rule; outside a repository the plain line counts.
func (s Service) ignoresDotEnv(ctx context.Context, rules string) bool {
	if s.git(ctx, "rev-parse", "--git-dir") == nil {
		return s.git(ctx, "check-ignore", "--quiet", "--no-index", ".env") == nil
	}
	return slices.ContainsFunc(strings.Fields(rules), func(rule string) bool { return rule == ".env" || rule == "/.env" })
}

func (s Service) git(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = s.Folder
	return command.Run()
}
