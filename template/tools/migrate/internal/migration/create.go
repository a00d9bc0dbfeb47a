package migration

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"migrate/internal/failure"
)

// Draft is what a new migration starts from.
type Draft struct {
	Name   string // as typed
	Block  string // first number of a reserved block, or empty
	Author string
	Date   time.Time
}

//go:embed new.sql.tmpl
var newFile string

var newFileTemplate = template.Must(template.New("new").Parse(newFile))

// Create writes a new file and returns its path.
func (d Directory) Create(draft Draft) (string, error) {
	name, err := Normalise(draft.Name)
	if err != nil {
		return "", err
	}
	if err := d.Check(); err != nil {
		return "", err
	}
	version, err := d.NextVersion(draft.Block)
	if err != nil {
		return "", err
	}
	path := filepath.Join(d.Path, FormatVersion(version)+"_"+name+".sql")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return "", failure.Refused("%s is there already: run the command again for the next number", path)
	}
	if err != nil {
		return "", failure.Refused("%s cannot be written: correct the folder's permissions", path)
	}
	err = errors.Join(newFileTemplate.Execute(file, map[string]string{
		"Name": name, "Author": oneLine(draft.Author), "Date": draft.Date.Format(time.DateOnly),
	}), file.Close())
	if err != nil {
		return "", failure.Refused("%s could not be written completely (%s): remove it and run again", path, err)
	}
	return path, nil
}

// oneLine keeps a name inside the comment that it is written into.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
