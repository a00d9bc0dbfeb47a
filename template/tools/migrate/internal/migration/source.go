package migration

import (
	"path/filepath"
	"strings"
)

// Source is a migration as a linter has to see it.
type Source struct {
	Path string
	// Up is the file as far as its Up section goes, so that every line keeps its number.
	Up            string
	Statements    []Statement // of the Up section
	NoTransaction bool
}

// Source reads a migration without what only a rollback would run.
func (d Directory) Source(m Migration) (Source, error) {
	script, err := d.Script(m)
	if err != nil {
		return Source{}, err
	}
	content, _, err := d.read(m.File)
	if err != nil {
		return Source{}, err
	}
	return Source{Path: filepath.Join(d.Path, m.File), Up: upSection(string(content)), Statements: script.Up, NoTransaction: script.NoTransaction}, nil
}

func upSection(content string) string {
	var up strings.Builder
	for line := range strings.Lines(content) {
		if strings.HasPrefix(line, "--") && strings.Contains(line, "+goose") {
			if name, err := parseAnnotation(strings.TrimRight(line, "\r\n")); err == nil && name == "down" {
				break
			}
		}
		up.WriteString(line)
	}
	return up.String()
}
