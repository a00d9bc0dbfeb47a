// Package git asks the repository around the service what is new in it.
package git

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"migrate/internal/failure"
)

// Repository is the one that the current folder is in, if it is in one.
type Repository struct{}

// defaultBranches are where work is merged to, if the remote does not say it.
var defaultBranches = []string{"origin/HEAD", "origin/main", "origin/master", "main", "master"}

// Added names the files of a folder that are not in the base yet, committed or not. Without a repository, or without a
// base that could be told, nothing is known.
func (r Repository) Added(ctx context.Context, base, folder string) (map[string]bool, bool, error) {
	fork, err := r.fork(ctx, base)
	if err != nil || fork == "" {
		return nil, false, err
	}
	tracked, err := r.ask(ctx, "diff", "--name-only", "--diff-filter=A", "--no-renames", "-z", fork, "--", folder)
	if err != nil {
		return nil, false, failure.Refused("git could not compare with %s: %s", fork, err)
	}
	untracked, err := r.ask(ctx, "ls-files", "--others", "-z", "--", folder)
	if err != nil {
		return nil, false, failure.Refused("git could not list %s: %s", folder, err)
	}
	added := map[string]bool{}
	for _, path := range strings.Split(tracked+untracked, "\x00") {
		added[filepath.Base(path)] = true
	}
	return added, true, nil
}

// Prefix is the way from the top of the repository to the current folder, empty at the top and outside of one.
func (r Repository) Prefix(ctx context.Context) string {
	prefix, _ := r.ask(ctx, "rev-parse", "--show-prefix")
	return strings.TrimSpace(prefix)
}

// fork is the commit at which the work left the base: what the base got since then is not new here.
func (r Repository) fork(ctx context.Context, base string) (string, error) {
	if base == "" {
		for _, branch := range defaultBranches {
			if commit, err := r.ask(ctx, "merge-base", branch, "HEAD"); err == nil {
				return strings.TrimSpace(commit), nil
			}
		}
		return "", nil
	}
	commit, err := r.ask(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", base+"^{commit}")
	if err != nil {
		return "", failure.Refused("BASE is %q, which git does not know as a commit: fetch it, or correct BASE", base)
	}
	commit = strings.TrimSpace(commit)
	if fork, err := r.ask(ctx, "merge-base", commit, "HEAD"); err == nil {
		return strings.TrimSpace(fork), nil
	}
	// A shallow clone does not reach back to where they parted.
	return commit, nil
}

func (Repository) ask(ctx context.Context, arguments ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "git", arguments...).Output()
	return string(output), err
}
