// Package wiring joins the template's files to those that a service had before: one include line in its Makefile and
// one in its compose file, links in its documents, .env in .gitignore. It only ever adds, and what it cannot add
// without changing what the service does, it reports.
//
// May import: child, copier, failure, makefile.
package wiring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Edit is a file with what is to stand in it.
type Edit struct {
	Path          string
	Before, After []byte
}

// Plan is what wiring the service takes.
type Plan struct {
	Edits []Edit
	// Wired are the files in which there is nothing to do.
	Wired []string
	// Notes are for people to know; none of them stands in the way.
	Notes []string
	// Clashes are the places where the service and the template would take something from each other.
	Clashes []error
}

// Service is what the plan depends on besides the files.
type Service struct {
	Folder string
	// Port is the one on which the PostgreSQL of compose listens on this machine.
	Port string
	// Lookup is the value of a variable for compose.
	Lookup func(name string) string
}

// Area is some of the service's own files.
type Area func(Service, context.Context, *Plan) error

// The areas, in the order in which they are shown.
var (
	Makefile  Area = Service.readMakefile
	Compose   Area = Service.readCompose
	Documents Area = Service.readDocuments
	Gitignore Area = Service.readGitignore
)

// Read finds out what is missing. It changes nothing.
func (s Service) Read(ctx context.Context) (Plan, error) {
	return s.ReadOnly(ctx, Makefile, Compose, Documents, Gitignore)
}

// ReadOnly finds out what is missing in some areas.
func (s Service) ReadOnly(ctx context.Context, areas ...Area) (Plan, error) {
	var plan Plan
	for _, read := range areas {
		if err := read(s, ctx, &plan); err != nil {
			return Plan{}, err
		}
	}
	return plan, nil
}

// Write puts the edits into the files. Each file is replaced as a whole, with its own permissions, so that nobody
// ever sees half of one.
func (s Service) Write(edits []Edit) error {
	for _, edit := range edits {
		if err := s.replace(edit); err != nil {
			return failure.Refused("%s cannot be written (%w): correct its permissions and run again", edit.Path, err)
		}
	}
	return nil
}

func (s Service) replace(edit Edit) error {
	// A link stays a link: what it leads to is replaced.
	path, err := filepath.EvalSymlinks(filepath.Join(s.Folder, edit.Path))
	if err != nil {
		return err
	}
	current, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(current, edit.Before) {
		return errors.New("it has been changed meanwhile")
	}
	information, err := os.Stat(path)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(edit.After)
	err = errors.Join(err, file.Chmod(information.Mode().Perm()), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// edit adds an edit to the plan, or the file to those where nothing is missing.
func (p *Plan) edit(path string, before []byte, after string) {
	if after == string(before) {
		p.Wired = append(p.Wired, path)
		return
	}
	p.Edits = append(p.Edits, Edit{Path: path, Before: before, After: []byte(after)})
}

func (p *Plan) note(format string, values ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, values...))
}

func (p *Plan) clash(format string, values ...any) {
	p.Clashes = append(p.Clashes, failure.Refused(format, values...))
}

// absent says that a file stays as it is: not there.
func (p *Plan) absent(name string) {
	p.note("%s is not there and stays so: `copier recopy` creates what the template creates once", name)
}

// read returns the content of a file, and whether the file is there at all.
func (s Service) read(path string) ([]byte, bool, error) {
	content, err := os.ReadFile(filepath.Join(s.Folder, path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, failure.Refused("%s cannot be read: correct its permissions", path)
	}
	return content, true, nil
}

// present returns those of the names that the folder holds, in the order of the names. The folder is asked for its
// list because a file system may take makefile and Makefile for the same.
func (s Service) present(names ...string) ([]string, error) {
	entries, err := os.ReadDir(s.Folder)
	if err != nil {
		return nil, failure.Refused("the service's folder cannot be read: correct its permissions")
	}
	var found []string
	for _, name := range names {
		for _, entry := range entries {
			if entry.Name() == name {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

// appendLines adds lines to the end of a text, after an empty line, with the line endings that the text has.
func appendLines(content []byte, lines string) string {
	text, ending := string(content), endingOf(content)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += ending
	}
	if text != "" && !strings.HasSuffix(text, "\n"+ending) {
		text += ending
	}
	return text + strings.ReplaceAll(lines, "\n", ending)
}

func endingOf(content []byte) string {
	if bytes.Contains(content, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
