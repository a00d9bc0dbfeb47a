package draft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

const valid = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n"

func TestANewFileIsReadyToBeWritten(t *testing.T) {
	directory := folder(t, map[string]string{"00001_a.sql": valid})
	paths, err := Create(directory, Draft{Name: "Add users", Author: "Ada's team", Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)})
	if err != nil || len(paths) != 1 || filepath.Base(paths[0]) != "00002_add_users.sql" {
		t.Fatal(paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-- +goose Up\n", "-- Migration: add_users\n", "-- Author: Ada's team\n", "-- Date: 2026-01-02\n", "-- Purpose:", "-- +goose Down\n"} {
		if !strings.Contains(string(content), want) {
			t.Errorf("%q is not in %s", want, content)
		}
	}
	if script, err := migration.ParseScript(string(content)); err != nil || !script.HasDown {
		t.Error(err)
	}
}

func TestAFileThatIsThereIsNotOverwritten(t *testing.T) {
	directory := folder(t, map[string]string{"00001_a.sql": valid})
	put(t, directory.Path, "00002_b.sql", "mine") // by somebody else, after the folder was read
	if _, err := Create(directory, Draft{Name: "b"}); failure.CodeOf(err) != failure.CodeRefused {
		t.Error(err)
	}
}

func TestAllFilesOfADraftAreWrittenOrNone(t *testing.T) {
	directory := folder(t, map[string]string{"backfill/there.sql": "mine"})
	draft := Draft{Name: "b", Script: valid, Files: []File{{Path: "backfill/new.sql"}, {Path: "backfill/there.sql"}}}
	if _, err := Create(directory, draft); failure.CodeOf(err) != failure.CodeRefused {
		t.Error(err)
	}
	for name, want := range map[string]bool{"00001_b.sql": false, "backfill/new.sql": false, "backfill/there.sql": true} {
		if _, err := os.Stat(filepath.Join(directory.Path, name)); (err == nil) != want {
			t.Error(name, err)
		}
	}
	draft.Files = draft.Files[:1]
	paths, err := Create(directory, draft)
	if err != nil || len(paths) != 2 || filepath.Base(paths[0]) != "00001_b.sql" {
		t.Error(paths, err)
	}
}

func TestAnAuthorCannotAddLinesToTheHeader(t *testing.T) {
	directory := folder(t, nil)
	paths, err := Create(directory, Draft{Name: "b", Author: "x\nDROP TABLE a;"})
	if err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(paths[0])
	if strings.Contains(string(content), "\nDROP") {
		t.Errorf("%s", content)
	}
}

func folder(t *testing.T, files map[string]string) migration.Directory {
	t.Helper()
	path := t.TempDir()
	for name, content := range files {
		put(t, path, name, content)
	}
	directory, err := migration.ReadDirectory(path, migration.Rules{Naming: migration.Sequence})
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

func put(t *testing.T, folder, name, content string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
