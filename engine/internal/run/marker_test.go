package run

import (
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const marker = "SELECT environment FROM goose_db_version_environment"

func (s service) mark(environment string) {
	s.t.Helper()
	s.Execute(s.t, "UPDATE goose_db_version_environment SET environment = '"+environment+"'")
}

func TestTheFirstUpMarksTheDatabase(t *testing.T) {
	s := three(t)
	s.must(to("1"))
	if got := s.Value(t, marker); got != "test" {
		t.Error(got)
	}
	t.Setenv("ENVIRONMENT", "development")
	s.must((*Engine).Up)
	if got := s.Value(t, marker); got != "test" {
		t.Error(got, "is written over")
	}
}

func TestADatabaseOfAnotherToolIsMarkedToo(t *testing.T) {
	s := three(t)
	s.goose("up")
	s.must((*Engine).Up)
	if got := s.Value(t, marker); got != "test" {
		t.Error(got)
	}
}

func TestAMarkThatProtectsLessIsToldOnceWithTheWayOut(t *testing.T) {
	s := three(t)
	s.must(to("1"))
	for environment, told := range map[string]bool{"development": false, "test": false, "staging": true} {
		t.Setenv("ENVIRONMENT", environment)
		for name, operation := range map[string]func(*Engine, context.Context) error{"up": (*Engine).Up, "status": status(StatusOptions{})} {
			_, report := s.must(operation)
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
	s.must((*Engine).Mark)
	if _, report := s.must(status(StatusOptions{})); strings.Contains(report, "marked") {
		t.Errorf("%q", report)
	}
}

func TestTheStricterOfMarkAndEnvironmentWins(t *testing.T) {
	s := newServiceToReset(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB, "migrations-seed/00001_data.sql": seedA,
	})
	s.must((*Engine).Up)
	home := s.Database
	for _, environment := range []string{"development", "test"} {
		t.Setenv("ENVIRONMENT", environment)
		for _, marked := range []string{"staging", "production"} {
			s.as(marked)
			t.Setenv("CONFIRM", "")
			s.refuses((*Engine).Seed, failure.CodeRefused, "seed is not allowed in "+marked)
			t.Setenv("CONFIRM", home.Name)
			s.refuses((*Engine).Reset, failure.CodeRefused, "reset is not allowed in "+marked)
			t.Setenv("CONFIRM", "")
			if marked == "production" {
				for _, operation := range []func(*Engine, context.Context) error{(*Engine).Down, (*Engine).Redo, to("1"), to("0")} {
					s.refuses(operation, failure.CodeRefused, "in production loses data", "CONFIRM="+home.Name)
				}
			}
			_, report := s.must(status(StatusOptions{}))
			if !strings.Contains(report, "is marked as "+marked+", although ENVIRONMENT is "+environment) {
				t.Error(report)
			}
		}
	}
	t.Setenv("CONFIRM", home.Name)
	if _, report := s.must((*Engine).Down); !strings.Contains(report, "consent: down in production") {
		t.Error(report)
	}
	s.as("development")
	s.must((*Engine).Seed)
	s.must((*Engine).Reset)
}

// as marks the database over the engine's own way in: the superuser's session is elsewhere.
func (s service) as(environment string) {
	s.t.Helper()
	_, _, err := s.do(func(engine *Engine, ctx context.Context) error {
		session, err := engine.open(ctx)
		if err != nil {
			return err
		}
		defer session.Close()
		_, err = session.ExecContext(ctx, "UPDATE goose_db_version_environment SET environment = $1", environment)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestMigrationsSeeTheStricterEnvironment(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.must((*Engine).Up)
	s.mark("production")
	s.write("migrations/00002_a.sql", "-- +goose Up\nRESET ALL;\n-- +goose Down\nSELECT 1;\n")
	s.write("migrations/00003_b.sql", "-- +goose Up\nCREATE TABLE b AS SELECT current_setting('custom.environment') AS name;\n-- +goose Down\nDROP TABLE b;\n")
	s.must((*Engine).Up)
	if got := s.Value(t, "SELECT name FROM b"); got != "production" {
		t.Error(got)
	}
}

func TestAMarkThatNobodyKnowsRefusesEverything(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.must((*Engine).Up)
	s.mark("prodution")
	for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, (*Engine).Down, (*Engine).Seed, to("0")} {
		s.refuses(operation, failure.CodeRefused, `marked as "prodution"`, "migrate mark")
	}
	t.Setenv("CONFIRM", s.Name)
	s.must((*Engine).Mark)
	s.must((*Engine).Seed)
}

func TestAnEmptiedVersionTableKeepsItsMark(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.mark("production")
	s.Execute(t, "TRUNCATE goose_db_version")
	s.refuses((*Engine).Down, failure.CodeRefused, "in production loses data")
	s.Execute(t, "DROP TABLE goose_db_version")
	s.refuses((*Engine).Down, failure.CodeRefused, "in production loses data")
}

func TestMarkNeedsTheDatabasesName(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.must((*Engine).Up)
	s.mark("production")
	for _, confirm := range []string{"", "y", strings.ToUpper(s.Name)} {
		t.Setenv("CONFIRM", confirm)
		s.refuses((*Engine).Mark, failure.CodeRefused, "CONFIRM="+s.Name)
	}
	s.write(".env", "CONFIRM="+s.Name+"\n")
	t.Setenv("CONFIRM", "")
	s.refuses((*Engine).Mark, failure.CodeRefused, "CONFIRM="+s.Name)
	if got := s.Value(t, marker); got != "production" {
		t.Fatal(got)
	}
	t.Setenv("CONFIRM", s.Name)
	t.Setenv("ENVIRONMENT", "development")
	_, report := s.must((*Engine).Mark)
	for _, want := range []string{"consent: mark in development", "is marked as development now; it was marked as production"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if _, report := s.must((*Engine).Mark); !strings.Contains(report, "already") {
		t.Error(report)
	}
	s.must((*Engine).Seed)
}

func TestADatabaseWithoutAHistoryCanBeMarked(t *testing.T) {
	s := three(t)
	t.Setenv("CONFIRM", s.Name)
	if _, report := s.must((*Engine).Mark); !strings.Contains(report, "it was not marked") {
		t.Error(report)
	}
	s.must((*Engine).Up)
	s.expectVersions("0 1 2 3")
}

func TestARoleThatMayNotCreateTheTablesIsToldSo(t *testing.T) {
	s := three(t)
	s.goose("up")
	s.Execute(t, "ALTER SCHEMA public OWNER TO CURRENT_USER")
	s.Execute(t, "REVOKE CREATE ON SCHEMA public FROM "+s.User+", pg_database_owner, PUBLIC")
	s.refuses((*Engine).Up, failure.CodeUnreachable, "goose_db_version_checksum", s.User)
	t.Setenv("CONFIRM", s.Name)
	s.refuses((*Engine).Mark, failure.CodeRefused, "could not be marked", s.User)
	if s.hasTable("goose_db_version_environment") {
		t.Error("half of it is there")
	}
	s.expectVersions("0 1 2 3")
}
