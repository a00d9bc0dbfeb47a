// Package draft writes new migration files. It is the developers' only: what runs migrations writes none. It never overwrites
// a file.
//
// May import: failure, migration.
package draft

import (
	"cmp"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// Draft is what a new migration starts from.
type Draft struct {
	Name    string // as typed
	Block   string // first number of a reserved block, or empty
	Author  string
	Date    time.Time
	Purpose string
	// Script is the file without its header; empty where the author is yet to write it.
	Script string
	// Files are written beside the migration, or not at all.
	Files []File
}

// File is a file to be, with its path inside the folder of migrations.
type File struct {
	Path, Content string
}

//go:embed header.sql.tmpl
var header string

var headerTemplate = template.Must(template.New("header").Parse(header))

const (
	upLine  = "-- +goose Up\n"
	newFile = upLine + `


-- +goose Down
-- Undo the change above. Where nothing can, see "point of no return" in docs/migration-guide.md.

`
)

// Create writes a new migration into its folder with what goes with it, and returns the paths. A draft that has files and no script has
// no migration.
func Create(directory migration.Directory, draft Draft) ([]string, error) {
	if err := directory.Check(); err != nil {
		return nil, err
	}
	files := draft.Files
	if draft.Script != "" || len(files) == 0 {
		file, err := number(directory, draft)
		if err != nil {
			return nil, err
		}
		files = append([]File{file}, files...)
	}
	return Write(directory.Path, files)
}

// number gives the migration its name and its header.
func number(directory migration.Directory, draft Draft) (File, error) {
	name, err := migration.Normalise(draft.Name)
	if err != nil {
		return File{}, err
	}
	version, err := directory.NextVersion(draft.Block)
	if err != nil {
		return File{}, err
	}
	var header strings.Builder
	err = headerTemplate.Execute(&header, map[string]string{
		"Name": name, "Author": oneLine(draft.Author), "Date": draft.Date.Format(time.DateOnly), "Purpose": draft.Purpose,
	})
	if err != nil {
		return File{}, err
	}
	script := cmp.Or(draft.Script, newFile)
	content := strings.Replace(script, upLine, upLine+header.String(), 1)
	if _, err := migration.ParseScript(content); err != nil {
		return File{}, failure.Refused("the migration would be malformed (%w): choose other values", err)
	}
	return File{Path: migration.FormatVersion(version) + "_" + name + ".sql", Content: content}, nil
}

// Write creates all the files in a folder, or none, and returns their paths.
func Write(folder string, files []File) (paths []string, err error) {
	defer func() {
		if err != nil {
			for _, path := range paths {
				_ = os.Remove(path)
			}
			paths = nil
		}
	}()
	for _, file := range files {
		path := filepath.Join(folder, file.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return paths, failure.Refused("%s cannot be created: correct the folder's permissions", filepath.Dir(path))
		}
		open, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return paths, failure.Refused("%s is there already: choose another name, or remove it, and run the command again", path)
		}
		if err != nil {
			return paths, failure.Refused("%s cannot be written: correct the folder's permissions", path)
		}
		paths = append(paths, path)
		_, err = open.WriteString(file.Content)
		if err = errors.Join(err, open.Close()); err != nil {
			return paths, failure.Refused("%s could not be written completely (%w): make room for it and run the command again", path, err)
		}
	}
	return paths, nil
}

// oneLine keeps a name inside the comment that it is written into.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
