package git

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Files names the files that match one of git's patterns, committed or not, ignored or not.
func (r Repository) Files(ctx context.Context, patterns ...string) ([]string, error) {
	return r.list(ctx, slices.Concat([]string{"ls-files", "--cached", "--others", "-z", "--"}, patterns)...)
}

// Top is the way from the current folder to the top of the repository, empty at the top and outside of one.
func (r Repository) Top(ctx context.Context) string {
	top, _ := r.ask(ctx, "rev-parse", "--show-cdup")
	return strings.TrimSpace(top)
}

// Containing names the text files that have a line of this form, of those that match one of git's patterns; ignored
// files are left out.
func (r Repository) Containing(ctx context.Context, expression string, patterns ...string) ([]string, error) {
	files, err := r.list(ctx, slices.Concat([]string{"grep", "--untracked", "-I", "-l", "-z", "-E", "-e", expression, "--"}, patterns)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // no such line
		return nil, nil
	}
	return files, err
}

// Unmerged names the files whose conflict nobody has resolved yet, of those that match one of git's patterns.
func (r Repository) Unmerged(ctx context.Context, patterns ...string) ([]string, error) {
	entries, err := r.list(ctx, slices.Concat([]string{"ls-files", "--unmerged", "-z", "--"}, patterns)...)
	for i, entry := range entries {
		_, entries[i], _ = strings.Cut(entry, "\t")
	}
	slices.Sort(entries)
	return slices.Compact(entries), err
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
