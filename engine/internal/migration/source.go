package migration

import (
	"path/filepath"
	"strings"
)

// Source is a migration as a linter has to see it.
type Source struct {
	Path string
	// Up is the file as far as its Up section goes, so that every line keeps its number; see Terminated.
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
	return Source{Path: filepath.Join(d.Path, m.File), Up: Terminated(upSection(string(content))), Statements: script.Up, NoTransaction: script.NoTransaction}, nil
}

// Terminated puts a semicolon in place of each StatementEnd line whose block has none: goose sends the block by itself,
// but who reads the file as plain SQL would join it with what follows.
func Terminated(content string) string {
	var terminated strings.Builder
	ended := true
	for line := range strings.Lines(content) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "--") && strings.Contains(line, "+goose"):
			if name, err := parseAnnotation(strings.TrimRight(line, "\r\n")); err == nil && name == "statementend" && !ended {
				line = ";\n"
			}
			ended = true
		case trimmed != "" && !strings.HasPrefix(trimmed, "--"):
			ended = endsStatement(line)
		}
		terminated.WriteString(line)
	}
	return terminated.String()
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
