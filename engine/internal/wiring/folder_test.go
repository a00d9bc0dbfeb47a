package wiring

import (
	"os"
	"strings"
	"testing"
)

func TestFilesThatDoNotFollowTheFolderAreNamed(t *testing.T) {
	for _, one := range []struct {
		content, dir string
		follows      bool
	}{
		{"COPY --chmod=0555 db/migrations ./db/migrations\n", "./db/migrations", true},
		{"!db/migrations", "db/migrations/", true},
		{"      - ./db/migrations:/app/db/migrations:ro\n", "./db/migrations", true},
		{"GOOSE_MIGRATION_DIR=./db/migrations\n", "./db/migrations", true},
		{"GOOSE_MIGRATION_DIR=\"db/migrations\"\n", "./db/migrations", true},
		{"COPY migrations ./migrations\n", "./migrations", true},
		{"COPY migrations ./migrations\n", "./db/migrations", false},
		{"COPY db/migrations-seed ./\n", "./db/migrations", false},
		{"COPY migrations2 x\n", "./migrations", false},
		{"COPY dbxmigrations x\n", "db.migrations", false},
	} {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("migrations.Dockerfile", []byte(one.content), 0o644); err != nil {
			t.Fatal(err)
		}
		problems := FolderProblems(one.dir)
		if one.follows != (len(problems) == 0) {
			t.Errorf("%+v: %v", one, problems)
		}
		if len(problems) > 0 && !strings.HasPrefix(problems[0].Error(), "migrations.Dockerfile does not name ") {
			t.Error(problems)
		}
	}
	t.Chdir(t.TempDir())
	if problems := FolderProblems("./db"); len(problems) != 0 {
		t.Error(problems)
	}
}
