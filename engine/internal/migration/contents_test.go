package migration

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const someMigration = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n"

func readFolder(t *testing.T, content string) Directory {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"00001_a.sql", "00002_b.sql"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	directory, err := ReadDirectory(folder, Rules{Naming: Sequence})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directory.Checksums(); err != nil {
		t.Fatal(err)
	}
	return directory
}

func edit(t *testing.T, directory Directory) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(directory.Path, "00001_a.sql"), []byte("-- +goose Up\nDROP TABLE a;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasCheckedIsWhatRuns(t *testing.T) {
	directory := readFolder(t, someMigration)
	edit(t, directory)
	if err := os.Remove(filepath.Join(directory.Path, "00002_b.sql")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00001_a.sql", "00002_b.sql"} {
		content, err := fs.ReadFile(directory.FS(), name)
		if err != nil || string(content) != someMigration {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	files, err := fs.Glob(directory.FS(), "*.sql")
	if err != nil || !slices.Equal(files, []string{"00001_a.sql", "00002_b.sql"}) {
		t.Error(files, err)
	}
	if script, err := directory.Script(directory.Migrations[0]); err != nil || script.Up[0].Text != "SELECT 1;" {
		t.Error(script, err)
	}
}

func TestAFileTooLargeToRememberIsRefusedOnceItIsAnotherOne(t *testing.T) {
	directory := readFolder(t, someMigration)
	clear(directory.contents.files)
	directory.contents.left = 0
	content, err := fs.ReadFile(directory.FS(), "00001_a.sql")
	if err != nil || !bytes.HasPrefix(content, []byte(someMigration)) {
		t.Fatal(err)
	}
	edit(t, directory)
	if _, err := directory.Script(directory.Migrations[0]); err == nil || !strings.Contains(err.Error(), "00001_a.sql was changed after it had been checked") {
		t.Error(err)
	}
	if _, err := directory.FS().Open("00001_a.sql"); err == nil {
		t.Error("goose would run something else")
	}
}

func TestTheFolderIsAFileSystemAsGooseExpectsOne(t *testing.T) {
	directory := readFolder(t, someMigration)
	if _, err := fs.Stat(directory.FS(), "00001_a.sql"); err != nil {
		t.Error(err)
	}
	if _, err := directory.FS().Open("nowhere.sql"); err == nil {
		t.Error("there is no such file")
	}
}
