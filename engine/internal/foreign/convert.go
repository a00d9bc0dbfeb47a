package foreign

import (
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqlparser"
)

// File is a migration as goose reads it.
type File struct {
	Name, Content string
	// From are the files that it was made from.
	From []string
	// Irreversible tells that the other tool had no way back, so that there is none here.
	Irreversible bool
}

// Convert writes a migration as goose's, and reads it again to make sure that it says the same.
func (m Migration) Convert(number int64) (File, error) {
	up, err := m.Up.convert()
	if err != nil {
		return File{}, err
	}
	down, err := m.Down.convert()
	if err != nil {
		return File{}, err
	}
	file := File{Name: m.fileName(number), From: m.Files(), Irreversible: len(down.statements) == 0}
	var text strings.Builder
	if up.alone || down.alone {
		text.WriteString("-- +goose NO TRANSACTION\n")
	}
	text.WriteString("-- +goose Up\n-- Imported from " + filepath.ToSlash(strings.Join(file.From, ", ")) + "\n")
	text.WriteString(up.text)
	if len(up.statements) == 0 {
		up.statements = []string{"SELECT 1"}
		text.WriteString("-- It did nothing there either.\nSELECT 1;\n")
	}
	if !file.Irreversible {
		text.WriteString("\n-- +goose Down\n" + down.text)
	}
	file.Content = text.String()
	script, err := migration.ParseScript(file.Content)
	if err != nil {
		return File{}, failure.Refused("%s would be malformed for goose (%w): write this file by hand", file.From[0], err)
	}
	if !same(script.Up, up.statements) || !same(script.Down, down.statements) {
		return File{}, failure.Refused("%s would say something else to goose: write this file by hand", file.From[0])
	}
	return file, nil
}

// same tells that what goose sends is what the other tool sent.
func same(sent []migration.Statement, statements []string) bool {
	var all []string
	for _, each := range sent {
		parsed, err := sqlparser.Parse(each.Text)
		if err != nil {
			return false
		}
		for _, statement := range parsed {
			all = append(all, strings.TrimSpace(statement.Text))
		}
	}
	return slices.Equal(all, statements)
}
