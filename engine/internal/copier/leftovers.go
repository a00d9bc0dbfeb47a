// Package copier tells whether an update of the template was finished, and whether the file that the next one starts
// from was left to Copier. It needs no database, no network and no Copier.
package copier

import (
	"context"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
)

// Copier writes both sides of a conflict into the file, between these lines, and ends with exit code 0.
const markers = "^(<{7}|>{7}) "

// Place is where Copier writes, in git's patterns.
type Place struct {
	Files []string
	// Rejected are what Copier calls the pieces that it could not merge into such files.
	Rejected []string
}

var (
	// Service is the current folder.
	Service = Place{Files: []string{"."}, Rejected: []string{"*.rej"}}
	// Root is what the template has at the top of a monorepo; the services there look after themselves.
	Root = Place{
		Files: []string{":(top)" + AnswersFile, ":(top).github", ":(top)monitoring"},
		Rejected: []string{
			":(top)" + AnswersFile + ".rej", ":(top,glob).github/**/*.rej", ":(top,glob)monitoring/**/*.rej",
		},
	}
)

// Leftovers are what a conflict left behind: files that git calls unmerged, conflict markers, rejected pieces.
func Leftovers(ctx context.Context, repository git.Repository, place Place) ([]error, error) {
	var problems []error
	for _, search := range []struct {
		files    func() ([]string, error)
		sentence string
	}{
		{
			func() ([]string, error) { return repository.Containing(ctx, markers, place.Files...) },
			"%s holds conflict markers (<<<<<<<, >>>>>>>): keep what you want of both sides, and delete the markers",
		},
		{
			func() ([]string, error) { return repository.Unmerged(ctx, place.Files...) },
			"%s is not merged: decide what it shall be, then git add it",
		},
		{
			func() ([]string, error) { return repository.Files(ctx, place.Rejected...) },
			"%s holds a change that could not be merged: make the change by hand, then delete this file",
		},
	} {
		files, err := search.files()
		if err != nil {
			return nil, failure.Refused("git could not search this folder (%s): run it in a checkout of the service", err)
		}
		for _, file := range files {
			problems = append(problems, failure.Refused(search.sentence, file))
		}
	}
	return problems, nil
}
