package develop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/adopt"
	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/git"
)

var branchesKey = regexp.MustCompile(`(?m)^\s+branches: \[(.*)\]`)

// repository is what git knows: the branch that work is merged to, files that it does not take, and secrets that it has.
func (s *surveyor) repository(ctx context.Context) {
	repository := git.Repository{}
	if err := repository.Require(ctx); err != nil {
		s.unknown("branches, ignored files and secrets", err)
		return
	}
	s.branches(ctx)
	output, err := child.Git(ctx, "ls-files", "--others", "--ignored", "--exclude-standard", "-z").Output()
	for path := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		mine := adopt.IsOurs(path) || filepath.Dir(path) == filepath.Clean(s.Project.Migrations.Dir) || filepath.Dir(path) == filepath.Clean(s.Project.Seed.Dir)
		if err == nil && mine && !strings.HasPrefix(path, "tools/migrate/bin/") && !strings.HasPrefix(path, "tools/migrate/vendor/") {
			s.add(adopt.Ignored, path, 0, "git ignores it"+ignoredBy(ctx, path), "let git take it (! and its path in .gitignore)")
		}
	}
	output, err = child.Git(ctx, "ls-files", "-z").Output()
	if err != nil {
		s.unknown("secrets", err)
	}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		s.Findings = append(s.Findings, adopt.Folder{Path: "."}.Secrets(path)...)
	}
}

// ignoredBy names the line that makes git ignore a file.
func ignoredBy(ctx context.Context, path string) string {
	output, _ := child.Git(ctx, "check-ignore", "--verbose", path).Output()
	source, _, found := strings.Cut(string(output), "\t")
	if !found {
		return ""
	}
	return ", because of " + source
}

func (s *surveyor) branches(ctx context.Context) {
	branch := git.Repository{}.DefaultBranch(ctx)
	workflows, _ := filepath.Glob(".github/workflows/*-migration.yml")
	for _, workflow := range workflows {
		content, err := os.ReadFile(workflow)
		named := branchesKey.FindSubmatch(content)
		if err != nil || named == nil || branch == "" || slices.Contains(strings.Split(string(named[1]), ", "), branch) {
			continue
		}
		line := 1 + strings.Count(string(content[:branchesKey.FindIndex(content)[0]]), "\n")
		s.add(adopt.Branches, workflow, line, fmt.Sprintf("runs for %s, and work is merged to %s here", named[1], branch), "add "+branch+" to branches")
	}
}
