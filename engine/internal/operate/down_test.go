package operate

import (
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func three(t *testing.T) service {
	return newService(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB, "migrations/00003_c.sql": createC,
	})
}

func TestToStopsAboveWhatIsNotJudged(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE nowhere;\n", "migrations/00003_b.sql": createB, "migrations/00004_c.sql": createC,
	})
	s.Must((*Engine).Up)
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 00002\n")
	s.Must(to("check_from"))
	s.ExpectVersions("0 1")
	s.Write(".goose.yml", "driver: postgres\n")
	s.Refuses(to("check_from"), failure.CodeMigrationFailed)
}

func to(version string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error { return engine.To(ctx, version) }
}

func TestDownRollsBackTheLastMigration(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	_, report := s.Must((*Engine).Down)
	if !strings.Contains(report, "rolled back 00003_c.sql (") || !strings.Contains(report, "is now at 00002") || s.HasTable("c") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
}

func TestDownOnAnEmptyDatabaseDoesNothing(t *testing.T) {
	s := three(t)
	_, report := s.Must((*Engine).Down)
	if !strings.Contains(report, "nothing to roll back") || s.HasTable("goose_db_version") {
		t.Error(report)
	}
}

func TestRedoRollsBackAndAppliesAgain(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Execute(t, "INSERT INTO c VALUES (1)")
	s.Must((*Engine).Redo)
	s.ExpectVersions("0 1 2 3")
	if s.Value(t, "SELECT count(*) FROM c") != "0" {
		t.Error("the table is still the old one")
	}
}

func TestToGoesUpAndDown(t *testing.T) {
	s := three(t)
	for _, step := range []struct{ version, want string }{
		{"2", "0 1 2"}, {"00002", "0 1 2"}, {"3", "0 1 2 3"}, {"1", "0 1"}, {"0", "0"}, {"3", "0 1 2 3"},
	} {
		s.Must(to(step.version))
		s.ExpectVersions(step.want)
	}
	for _, version := range []string{"", "4", "-1", "x", "1.5", "99999999999999999999"} {
		s.Refuses(to(version), failure.CodeRefused)
	}
}

func TestAMigrationThatCannotBeUndoneStaysApplied(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_b.sql": "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\n-- point of no return\n",
		"migrations/00003_c.sql": createC,
	})
	s.Must((*Engine).Up)
	s.Refuses(to("0"), failure.CodeRefused, "00002_b.sql", "cannot be rolled back")
	s.ExpectVersions("0 1 2 3")
	s.Must((*Engine).Down)
	s.Refuses((*Engine).Down, failure.CodeRefused, "00002_b.sql")
	s.Refuses((*Engine).Redo, failure.CodeRefused, "00002_b.sql")
	s.ExpectVersions("0 1 2")
}

func TestRollingBackProductionNeedsConsent(t *testing.T) {
	s := three(t)
	if s.Value(t, "SHOW ssl") != "on" {
		t.Skip("the server has no TLS")
	}
	s.Must((*Engine).Up)
	t.Setenv("ENVIRONMENT", "production")
	s.Write(".env", "CONFIRM="+s.Name+"\n")
	for _, operation := range []func(*Engine, context.Context) error{(*Engine).Down, (*Engine).Redo, to("1"), to("0")} {
		t.Setenv("CONFIRM", "")
		s.Refuses(operation, failure.CodeRefused, "CONFIRM="+s.Name)
		t.Setenv("CONFIRM", "another")
		s.Refuses(operation, failure.CodeRefused, "CONFIRM="+s.Name)
	}
	s.ExpectVersions("0 1 2 3")
	t.Setenv("CONFIRM", s.Name)
	_, report := s.Must((*Engine).Down)
	if !strings.Contains(report, "consent: down in production, database "+s.Name) {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
	t.Setenv("CONFIRM", "")
	s.Must(to("3"))
	s.Must((*Engine).Up)
}
