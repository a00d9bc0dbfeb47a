// Package git asks the repository around the service what is new in it. It never fetches, and never changes the repository.
//
// May import: child, failure.
package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/failure"
)

// Repository is the one that the current folder is in, if it is in one.
type Repository struct{}

// defaultBranches are where work is merged to, if the remote does not say it.
var defaultBranches = []string{"origin/HEAD", "origin/main", "origin/master", "origin/trunk", "main", "master", "trunk"}

// DefaultBranch is the name of the branch that work is merged to, empty if nothing tells it.
func (r Repository) DefaultBranch(ctx context.Context) string {
	for _, branch := range defaultBranches {
		if name, err := r.ask(ctx, "rev-parse", "--abbrev-ref", "--verify", "--quiet", branch); err == nil {
			return strings.TrimPrefix(strings.TrimSpace(name), "origin/")
		}
	}
	return ""
}

// Added names the files of a folder that are not in the base yet, committed or not. Without a repository, or without a
// base that could be told, nothing is known.
func (r Repository) Added(ctx context.Context, base, folder string) (map[string]bool, bool, error) {
	fork, err := r.fork(ctx, base)
	if err != nil || fork == "" {
		return nil, false, err
	}
	tracked, err := r.ask(ctx, "diff", "--name-only", "--diff-filter=A", "--no-renames", "-z", fork, "--", folder)
	if err != nil {
		return nil, false, failure.Refused("git could not compare with %s (%w): run it in a checkout of the service", fork, err)
	}
	untracked, err := r.ask(ctx, "ls-files", "--others", "-z", "--", folder)
	if err != nil {
		return nil, false, failure.Refused("git could not list %s (%w): run it in a checkout of the service", folder, err)
	}
	added := map[string]bool{}
	for file := range strings.SplitSeq(tracked+untracked, "\x00") {
		added[filepath.Base(file)] = true
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
	commit, err := r.commit(ctx, base)
	if err != nil {
		return "", err
	}
	if fork, err := r.ask(ctx, "merge-base", commit, "HEAD"); err == nil {
		return strings.TrimSpace(fork), nil
	}
	// A shallow clone does not reach back to where they parted.
	return commit, nil
}

// Base is a branch that work is merged to, as two commits.
type Base struct {
	Tip string
	// Fork is where the work left it.
	Fork string
}

// Base finds a branch, or any other commit.
func (r Repository) Base(ctx context.Context, name string) (Base, error) {
	tip, err := r.commit(ctx, name)
	if err != nil {
		return Base{}, err
	}
	fork, err := r.ask(ctx, "merge-base", tip, "HEAD")
	if err != nil {
		return Base{}, failure.Refused("git does not reach back to where this branch left BASE (%s): "+
			"fetch the whole history (git fetch --unshallow, or fetch-depth: 0 on CI)", name)
	}
	return Base{Tip: tip, Fork: strings.TrimSpace(fork)}, nil
}

func (r Repository) commit(ctx context.Context, name string) (string, error) {
	commit, err := r.ask(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return "", failure.Refused("BASE is %q, but git cannot look for it (%w): run it in a checkout of the service", name, err)
	}
	if err != nil {
		return "", failure.Refused("BASE is %q, which git does not know as a commit: fetch it, or correct BASE", name)
	}
	return strings.TrimSpace(commit), nil
}

// FilesAt are the contents of the files in a folder, without its sub-folders, as a commit has them. A folder that the
// commit does not have is empty.
func (r Repository) FilesAt(ctx context.Context, commit, folder string) (map[string][]byte, error) {
	return r.filesAt(ctx, commit, filepath.ToSlash(filepath.Clean(folder))+"/")
}

// FileAt is the content of one file, nil if the commit does not have it.
func (r Repository) FileAt(ctx context.Context, commit, name string) ([]byte, error) {
	files, err := r.filesAt(ctx, commit, filepath.ToSlash(filepath.Clean(name)))
	return files[filepath.Base(name)], err
}

func (r Repository) filesAt(ctx context.Context, commit, place string) (map[string][]byte, error) {
	listed, err := r.ask(ctx, "ls-tree", "-z", commit, "--", place)
	if err != nil {
		return nil, failure.Refused("git could not list %s in %s (%w): fetch that commit", place, commit, err)
	}
	var names, ids []string
	for entry := range strings.SplitSeq(strings.TrimSuffix(listed, "\x00"), "\x00") {
		kind, name, _ := strings.Cut(entry, "\t")
		if words := strings.Fields(kind); len(words) == 3 && words[1] == "blob" {
			names, ids = append(names, path.Base(name)), append(ids, words[2])
		}
	}
	contents, err := r.blobs(ctx, ids)
	if err != nil {
		return nil, failure.Refused("git could not read %s in %s (%w): fetch that commit", place, commit, err)
	}
	files := map[string][]byte{}
	for position, name := range names {
		files[name] = contents[position]
	}
	return files, nil
}

// blobs reads many contents with one process.
func (Repository) blobs(ctx context.Context, ids []string) ([][]byte, error) {
	command := child.Git(ctx, "cat-file", "--batch")
	command.Stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
	if len(ids) == 0 {
		return nil, nil
	}
	output, err := command.Output()
	if err != nil {
		return nil, explained(err)
	}
	reader := bufio.NewReader(bytes.NewReader(output))
	contents := make([][]byte, len(ids))
	for position := range ids {
		var id, kind string
		var size int
		if _, err := fmt.Fscanf(reader, "%s %s %d\n", &id, &kind, &size); err != nil {
			return nil, err
		}
		contents[position] = make([]byte, size)
		if _, err := io.ReadFull(reader, contents[position]); err != nil {
			return nil, err
		}
		if _, err := reader.Discard(1); err != nil { // the line's end after each content
			return nil, err
		}
	}
	return contents, nil
}

func (Repository) ask(ctx context.Context, arguments ...string) (string, error) {
	output, err := child.Git(ctx, arguments...).Output()
	return string(output), explained(err)
}

// explained begins an error with the line in which git says what is wrong, if it says anything.
func explained(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(exit.Stderr) == 0 {
		return err
	}
	reason, _, _ := strings.Cut(string(exit.Stderr), "\n")
	return fmt.Errorf("%s, %w", reason, err)
}
