package git

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"

	"migrate/internal/failure"
)

// Files names the files below the current folder that fit a pattern, committed or not, ignored or not.
func (r Repository) Files(ctx context.Context, pattern string) ([]string, error) {
	return r.list(ctx, "ls-files", "--cached", "--others", "-z", "--", pattern)
}

// Containing names the text files below the current folder that have a line of this form; ignored files are left out.
func (r Repository) Containing(ctx context.Context, expression string) ([]string, error) {
	files, err := r.list(ctx, "grep", "--untracked", "-I", "-l", "-z", "-E", "-e", expression, "--", ".")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // no such line
		return nil, nil
	}
	return files, err
}

// Unmerged names the files below the current folder whose conflict nobody has resolved yet.
func (r Repository) Unmerged(ctx context.Context) ([]string, error) {
	return r.list(ctx, "diff", "--name-only", "--diff-filter=U", "--relative", "-z")
}

// Require refuses a folder outside of every repository.
func (r Repository) Require(ctx context.Context) error {
	if _, err := r.ask(ctx, "rev-parse", "--show-prefix"); err != nil {
		return failure.Refused("git knows no repository around this folder (%s): run it in a checkout of the service", err)
	}
	return nil
}

func (r Repository) list(ctx context.Context, arguments ...string) ([]string, error) {
	output, err := r.ask(ctx, arguments...)
	files := strings.Split(strings.TrimSuffix(output, "\x00"), "\x00")
	slices.Sort(files)
	if output == "" {
		files = nil
	}
	return slices.Compact(files), err
}
