package develop

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

// scratches counts the throw-away databases of the service that are left.
func (s service) scratches() string {
	s.T.Helper()
	return s.Value(s.T, "SELECT count(*) FROM pg_database WHERE starts_with(datname, '"+scratchPrefix(os.Getenv("DB_NAME"))+"')")
}

var milliseconds = regexp.MustCompile(`\d+ ms`)

func check(engine *Engine, ctx context.Context) error { return engine.Check(ctx, CheckOptions{}) }

func TestCheckTriesEverythingAndLeavesNothing(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_index_a.sql": indexA, "migrations/00003_c.sql": createC,
		"migrations-seed/00001_a.sql": seedA,
	})
	_, report := s.Must(check)
	want := "ok 00001_a.sql: up, down, up (N ms)\nok 00002_index_a.sql: up, down, up (N ms; NO TRANSACTION; a SHARE UPDATE EXCLUSIVE)\n" +
		"ok 00003_c.sql: up, down, up (N ms)\nok down to nothing\nok up to 00003 again\nok seeds, twice\nok two runners at once\n" +
		"3 migrations can be applied, rolled back and applied again\n"
	if got := milliseconds.ReplaceAllString(report, "N ms"); got != want {
		t.Error(got)
	}
	if s.HasTable("goose_db_version") || s.scratches() != "0" {
		t.Error("something is left")
	}
}

func TestCheckFindsWhatDownForgets(t *testing.T) {
	for name, test := range map[string]struct{ up, down, difference string }{
		"a column":     {"ALTER TABLE a ADD COLUMN x int, ADD COLUMN y int;", "ALTER TABLE a DROP COLUMN x;", "+column public.a.y\n+    integer"},
		"a function":   {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';", "SELECT 1;", "+function public.f()"},
		"a type":       {"CREATE TYPE mood AS ENUM ('sad');", "SELECT 1;", "+enum public.mood"},
		"a grant":      {"GRANT SELECT ON a TO PUBLIC;", "SELECT 1;", "=r/"},
		"a constraint": {"ALTER TABLE a ADD CHECK (id > 0);", "SELECT 1;", "+constraint a_id_check on public.a\n+    CHECK ((id > 0))"},
		"a default":    {"ALTER TABLE a ALTER COLUMN id SET DEFAULT 1;", "SELECT 1;", " column public.a.id\n+    default 1"},
		"too much":     {"CREATE INDEX a_id ON a (id);", "DROP TABLE a;", "-table public.a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{
				"migrations/00001_a.sql": createA,
				"migrations/00002_x.sql": "-- +goose Up\n" + test.up + "\n-- +goose Down\n" + test.down + "\n",
			})
			_, report, err := s.Do(check)
			if failure.CodeOf(err) != failure.CodeMigrationFailed || !strings.Contains(err.Error(), "migrations/00002_x.sql does not undo") {
				t.Fatal(err)
			}
			if !strings.Contains(report, test.difference) {
				t.Error(report)
			}
			if s.scratches() != "0" {
				t.Error("the database is left")
			}
		})
	}
}

func TestCheckFindsAMigrationThatDoesSomethingElseTheNextTime(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\n-- +goose StatementBegin\n" +
		"DO $$ BEGIN IF EXISTS (SELECT FROM goose_db_version) AND (SELECT last_value FROM goose_db_version_id_seq) > 1 THEN CREATE TABLE b (); END IF; END $$;\n" +
		"-- +goose StatementEnd\n-- +goose Down\nDROP TABLE IF EXISTS b;\n"})
	s.Refuses(check, failure.CodeMigrationFailed, "migrations/00001_a.sql does something else when it is applied again")
}

func TestCheckTellsWhichStepFails(t *testing.T) {
	for name, test := range map[string]struct {
		file, content string
		code          failure.Code
	}{
		"up":                  {"migrations/00002_x.sql", "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n", failure.CodeMigrationFailed},
		"down":                {"migrations/00002_x.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1/0;\n", failure.CodeMigrationFailed},
		"down says nothing":   {"migrations/00002_x.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\n-- no way\n", failure.CodeRefused},
		"a seed, second time": {"migrations-seed/00001_x.sql", "-- +goose Up\nINSERT INTO a SELECT 1 / (1 - count(*)) FROM a;\n-- +goose Down\nDELETE FROM a;\n", failure.CodeMigrationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{"migrations/00001_a.sql": createA, test.file: test.content})
			s.Refuses(check, test.code, test.file)
			if s.scratches() != "0" {
				t.Error("the database is left")
			}
		})
	}
}

func TestCheckIsForDevelopmentAndTestOnly(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	for _, name := range []string{"staging", "production"} {
		t.Setenv("ENVIRONMENT", name)
		t.Setenv("DB_SSL_MODE", "require")
		s.Refuses(check, failure.CodeRefused, "check is not allowed in "+name)
	}
}

func TestCheckNeedsTheRightToCreateDatabases(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "ALTER ROLE "+s.User+" NOCREATEDB")
	s.Refuses(check, failure.CodeRefused, "may not create databases, which check has to", "CREATEDB")
}

func TestCheckNeedsNoDatabaseOfTheService(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	t.Setenv("DB_NAME", strings.Repeat("a", 63))
	s.Must(check)
	if s.scratches() != "0" {
		t.Error("the database is left")
	}
}

func TestCheckTidiesUpAfterAnInterrupt(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nSELECT pg_sleep(30);\n-- +goose Down\nSELECT 1;\n"})
	var out bytes.Buffer
	engine, err := New(terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &out})
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- engine.Check(ctx, CheckOptions{}) }()
	for s.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()") == "0" {
		time.Sleep(time.Millisecond)
	}
	interrupt()
	if err := <-ended; failure.CodeOf(err) != failure.CodeMigrationFailed || !strings.Contains(err.Error(), "was interrupted") {
		t.Error(err)
	}
	if s.scratches() != "0" {
		t.Error("the database is left")
	}
}
