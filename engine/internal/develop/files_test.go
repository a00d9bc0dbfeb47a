package develop

import (
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

func TestCreateAsksForTheNameOnATerminalOnly(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB, "migrations/00003_c.sql": createC,
	})
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	create := func(name string) func(*Engine, context.Context) error {
		return func(engine *Engine, ctx context.Context) error { return engine.Create(ctx, name, CreateOptions{}) }
	}
	s.Refuses(create(""), failure.CodeRefused, "NAME=")
	if out, _ := s.Must(create("add users")); out != "migrations/00004_add_users.sql\n" {
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
	if _, report := s.Must(validate(false)); !strings.HasSuffix(report, "2 files are valid\n") {
		t.Error(report)
	}
	s.Write("migrations-seed/notes.sql", "")
	s.Write("migrations/00001_b.sql", createB)
	_, report, err := s.Do(validate(false))
	if failure.CodeOf(err) != failure.CodeHistoryMismatch || !strings.Contains(report, "notes.sql") {
		t.Error(report, err)
	}
}
