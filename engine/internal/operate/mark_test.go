package operate

import (
	"context"
	"os"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const marker = "SELECT environment FROM goose_db_version_environment"

func (s service) mark(environment string) {
	s.T.Helper()
	s.Execute(s.T, "UPDATE goose_db_version_environment SET environment = '"+environment+"'")
}

func TestTheFirstUpMarksTheDatabase(t *testing.T) {
	s := three(t)
	s.Must(to("1"))
	if got := s.Value(t, marker); got != "test" {
		t.Error(got)
	}
	t.Setenv("ENVIRONMENT", "development")
	s.Must((*Engine).Up)
	if got := s.Value(t, marker); got != "test" {
		t.Error(got, "is written over")
	}
}

func TestAnEnvironmentThatNobodySaidMarksNothing(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	marks := func() string {
		return s.Value(t, "SELECT coalesce(string_agg(environment, ' '), 'none') FROM goose_db_version_environment")
	}
	if err := os.Unsetenv("ENVIRONMENT"); err != nil { // which the service brings back
		t.Fatal(err)
	}
	for _, way := range []string{"a new database", "one with a history", "one with more to apply"} {
		s.Must((*Engine).Up)
		if got := marks(); got != "none" {
			t.Errorf("%s: %s", way, got)
		}
		if way == "one with a history" {
			s.Write("migrations/00002_b.sql", createB)
		}
	}
	t.Setenv("ENVIRONMENT", "test")
	s.Must((*Engine).Up)
	if got := marks(); got != "test" {
		t.Error(got)
	}
}

func TestADatabaseOfAnotherToolIsMarkedToo(t *testing.T) {
	s := three(t)
	s.Goose("up")
	s.Must((*Engine).Up)
	if got := s.Value(t, marker); got != "test" {
		t.Error(got)
	}
}

func TestAMarkThatProtectsLessIsToldOnceWithTheWayOut(t *testing.T) {
	s := three(t)
	s.Must(to("1"))
	for environment, told := range map[string]bool{"development": false, "test": false, "staging": true} {
		t.Setenv("ENVIRONMENT", environment)
		for name, operation := range map[string]func(*Engine, context.Context) error{"up": (*Engine).Up, "status": status(StatusOptions{})} {
			_, report := s.Must(operation)
			sentence := "database " + s.Name + " is marked as test only, although ENVIRONMENT is " + environment
			wayOut := "ENVIRONMENT=" + environment + " CONFIRM=" + s.Name + " tools/migrate/bin/migrate mark"
			if strings.Count(report, sentence) != strings.Count(report, wayOut) || strings.Contains(report, sentence) != told ||
				strings.Count(report, sentence) > 1 {
				t.Errorf("%s in %s: %q", name, environment, report)
			}
		}
	}
	t.Setenv("ENVIRONMENT", "staging")
	t.Setenv("CONFIRM", s.Name)
	s.Must((*Engine).Mark)
	if _, report := s.Must(status(StatusOptions{})); strings.Contains(report, "marked") {
		t.Errorf("%q", report)
	}
}

func TestMigrationsSeeTheStricterEnvironment(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Must((*Engine).Up)
	s.mark("production")
	s.Write("migrations/00002_a.sql", "-- +goose Up\nRESET ALL;\n-- +goose Down\nSELECT 1;\n")
	s.Write("migrations/00003_b.sql", "-- +goose Up\nCREATE TABLE b AS SELECT current_setting('custom.environment') AS name;\n-- +goose Down\nDROP TABLE b;\n")
	s.Must((*Engine).Up)
	if got := s.Value(t, "SELECT name FROM b"); got != "production" {
		t.Error(got)
	}
}

func TestAMarkThatNobodyKnowsRefusesEverything(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Must((*Engine).Up)
	s.mark("prodution")
	for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, (*Engine).Down, (*Engine).Seed, to("0")} {
		s.Refuses(operation, failure.CodeRefused, `marked as "prodution"`, "migrate mark")
	}
	t.Setenv("CONFIRM", s.Name)
	s.Must((*Engine).Mark)
	s.Must((*Engine).Seed)
}

func TestAnEmptiedVersionTableKeepsItsMark(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.mark("production")
	s.Execute(t, "TRUNCATE goose_db_version")
	s.Refuses((*Engine).Down, failure.CodeRefused, "in production loses data")
	s.Execute(t, "DROP TABLE goose_db_version")
	s.Refuses((*Engine).Down, failure.CodeRefused, "in production loses data")
}

func TestMarkNeedsTheDatabasesName(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Must((*Engine).Up)
	s.mark("production")
	for _, confirm := range []string{"", "y", strings.ToUpper(s.Name)} {
		t.Setenv("CONFIRM", confirm)
		s.Refuses((*Engine).Mark, failure.CodeRefused, "CONFIRM="+s.Name)
	}
	s.Write(".env", "CONFIRM="+s.Name+"\n")
	t.Setenv("CONFIRM", "")
	s.Refuses((*Engine).Mark, failure.CodeRefused, "CONFIRM="+s.Name)
	if got := s.Value(t, marker); got != "production" {
		t.Fatal(got)
	}
	t.Setenv("CONFIRM", s.Name)
	t.Setenv("ENVIRONMENT", "development")
	_, report := s.Must((*Engine).Mark)
	for _, want := range []string{"consent: mark in development", "is marked as development now; it was marked as production"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if _, report := s.Must((*Engine).Mark); !strings.Contains(report, "already") {
		t.Error(report)
	}
	s.Must((*Engine).Seed)
}

func TestADatabaseWithoutAHistoryCanBeMarked(t *testing.T) {
	s := three(t)
	t.Setenv("CONFIRM", s.Name)
	if _, report := s.Must((*Engine).Mark); !strings.Contains(report, "it was not marked") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
}

func TestARoleThatMayNotCreateTheTablesIsToldSo(t *testing.T) {
	s := three(t)
	s.Goose("up")
	s.Execute(t, "ALTER SCHEMA public OWNER TO CURRENT_USER")
	s.Execute(t, "REVOKE CREATE ON SCHEMA public FROM "+s.User+", pg_database_owner, PUBLIC")
	s.Refuses((*Engine).Up, failure.CodeRefused, "goose_db_version_checksum", s.User)
	t.Setenv("CONFIRM", s.Name)
	s.Refuses((*Engine).Mark, failure.CodeRefused, "could not be marked", s.User)
	if s.HasTable("goose_db_version_environment") {
		t.Error("half of it is there")
	}
	s.ExpectVersions("0 1 2 3")
}
