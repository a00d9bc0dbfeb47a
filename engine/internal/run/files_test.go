package run

import (
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

func TestCreateAsksForTheNameOnATerminalOnly(t *testing.T) {
	s := three(t)
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	create := func(name string) func(*Engine, context.Context) error {
		return func(engine *Engine, ctx context.Context) error { return engine.Create(ctx, name, CreateOptions{}) }
	}
	s.refuses(create(""), failure.CodeRefused, "NAME=")
	if out, _ := s.must(create("add users")); out != "migrations/00004_add_users.sql\n" {
		t.Error(out)
	}
	var out strings.Builder
	engine, err := New(terminal.Terminal{In: strings.NewReader("add drops\n"), Out: &out, Err: &strings.Builder{}, Interactive: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Create(context.Background(), "", CreateOptions{Block: "200"}); err != nil || out.String() != "migrations/00200_add_drops.sql\n" {
		t.Error(out.String(), err)
	}
}

func TestValidateLooksAtMigrationsAndSeedsWithoutADatabase(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	t.Setenv("DB_HOST", "nowhere.invalid")
	if _, report := s.must(validate(false)); !strings.HasSuffix(report, "2 files are valid\n") {
		t.Error(report)
	}
	s.write("migrations-seed/notes.sql", "")
	s.write("migrations/00001_b.sql", createB)
	_, report, err := s.do(validate(false))
	if failure.CodeOf(err) != failure.CodeHistoryMismatch || !strings.Contains(report, "notes.sql") {
		t.Error(report, err)
	}
}
