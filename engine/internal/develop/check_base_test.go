package develop

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func checkAgainst(base string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error {
		return engine.Check(ctx, CheckOptions{Base: base, JSON: true})
	}
}

// forked is a service whose branch main has one migration and a seed.
func forked(t *testing.T) service {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql":      createA,
		"migrations-seed/00001_a.sql": seedA,
	})
	s.git("init", "--quiet", "--initial-branch=main")
	s.commit()
	s.git("switch", "--quiet", "--create=work")
	return s
}

func TestCheckTriesTheWorkOnTopOfTheBase(t *testing.T) {
	s := forked(t)
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	s.Write("migrations/00002_x.sql", "-- +goose Up\nALTER TABLE a ADD COLUMN x int;\n-- +goose Down\nALTER TABLE a DROP COLUMN x;\n")
	s.Write("migrations/00003_i.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_x ON a (x);\n-- +goose Down\nDROP INDEX CONCURRENTLY a_x;\n")
	out, report := s.Must(checkAgainst("main"))
	if !strings.Contains(report, "ok up on top of main\n") || !strings.Contains(report, "ok 00002_x.sql: up, down, up (") || !strings.Contains(report, "; a ACCESS EXCLUSIVE)") {
		t.Error(report)
	}
	var result checkResult
	if err := json.Unmarshal([]byte(out), &result); err != nil || !result.OK || result.Base != "main" || len(result.Migrations) != 3 {
		t.Fatal(out, err)
	}
	if first, second := result.Migrations[0], result.Migrations[1]; first.New || !second.New || len(second.Locks) != 1 || second.Locks[0].String() != "a ACCESS EXCLUSIVE" {
		t.Error(out)
	}
	text, err := os.ReadFile(summary)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### Migration check: avion-auth (PostgreSQL ", "| 00002_x.sql | ", " ms | yes | a ACCESS EXCLUSIVE | reads and writes |",
		" ms | no | a SHARE UPDATE EXCLUSIVE (expected) | other changes of the schema, and VACUUM |",
		"| 00002\\_x.sql | 2 | ALTER TABLE a ADD COLUMN x int; | a ACCESS EXCLUSIVE: reads and writes |  |", "| 00003\\_i.sql | 3 | CREATE INDEX CONCURRENTLY a\\_x ON a (x); | a SHARE UPDATE EXCLUSIVE: other changes of the schema, and VACUUM |  |",
		"\n1 migration of main passed as well.\n", "- two runners at once\n", "\n**Passed.**\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\ndoes not have %q", text, want)
		}
	}
	if s.scratches() != "0" {
		t.Error("a database is left")
	}
}

func TestOnlyTheBaseShowsWhatRowsAreInTheWayOf(t *testing.T) {
	s := forked(t)
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	s.Write("migrations/00002_x.sql", "-- +goose Up\nALTER TABLE a ADD COLUMN x int NOT NULL;\n-- +goose Down\nALTER TABLE a DROP COLUMN x;\n")
	s.Refuses(checkAgainst(""), failure.CodeMigrationFailed, "00001_a.sql") // the seed does not know the column
	s.Write("migrations-seed/00001_a.sql", "-- +goose Up\nINSERT INTO a VALUES (1, 2);\n-- +goose Down\nDELETE FROM a;\n")
	s.Must(checkAgainst(""))
	s.Refuses(checkAgainst("main"), failure.CodeMigrationFailed, "on top of main: migrations/00002_x.sql failed", "null values")
	text, err := os.ReadFile(summary)
	if err != nil || strings.Count(string(text), "### Migration check") != 3 {
		t.Fatal(string(text), err)
	}
	if end := "**Failed** (exit code 3): on top of main: migrations/00002\\_x.sql failed"; !strings.Contains(string(text[len(text)-400:]), end) {
		t.Error(string(text))
	}
	if s.scratches() != "0" {
		t.Error("a database is left")
	}
}

func TestAnotherSchemaOnTopOfTheBaseIsShown(t *testing.T) {
	s := forked(t)
	s.Write("migrations/00002_x.sql", "-- +goose Up\n-- +goose StatementBegin\nDO $$ BEGIN IF EXISTS (SELECT FROM a) THEN CREATE TABLE extra (); END IF; END $$;\n-- +goose StatementEnd\n"+
		"-- +goose Down\nDROP TABLE IF EXISTS extra;\n")
	s.Refuses(checkAgainst("main"), failure.CodeMigrationFailed, "on top of main the migrations make another schema than from nothing")
	s.Refuses(checkAgainst("nope"), failure.CodeRefused, `BASE is "nope"`)
}

func TestCheckFindsAMigrationThatLetsGoOfTheLock(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT pg_advisory_unlock_all();\nSELECT pg_sleep(2);\n" +
		"CREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"})
	s.Refuses(check, failure.CodeMigrationFailed, "two runners at once")
	if s.scratches() != "0" {
		t.Error("a database is left")
	}
}

func TestCheckWorksWithTheLockInATable(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_a.sql": seedA})
	s.Write(".goose.yml", "driver: postgres\nlock: table\n")
	_, report := s.Must(check)
	if !strings.Contains(report, "ok two runners at once\n") {
		t.Error(report)
	}
}

func TestCheckDropsWhatAKilledCheckHasLeft(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	name := func(end string) string { return scratchPrefix(s.Name) + end }
	for _, end := range []string{"abandoned222", "owned2222222", "connected222", "unmarked2222", "foreign22222"} {
		s.Execute(t, "CREATE DATABASE "+name(end)+" OWNER "+s.User)
		t.Cleanup(func() { s.Execute(t, "DROP DATABASE IF EXISTS "+name(end)+" WITH (FORCE)") })
		mark := scratchMark(s.Name)
		if end == "unmarked2222" {
			continue
		}
		if end == "foreign22222" {
			mark = scratchMark("another_db")
		}
		s.Execute(t, "COMMENT ON DATABASE "+name(end)+" IS '"+mark+"'")
	}
	engine, err := New(s.Silence())
	if err != nil {
		t.Fatal(err)
	}
	target, err := engine.Target()
	if err != nil {
		t.Fatal(err)
	}
	connected, err := engine.OpenTarget(context.Background(), target.Elsewhere(name("connected222")))
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	owner, err := engine.OpenTarget(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec("SELECT pg_advisory_lock($1)", scratchKey(name("owned2222222"))); err != nil {
		t.Fatal(err)
	}
	_, report := s.Must(check)
	if strings.Count(report, "left by a check that was killed") != 1 || !strings.Contains(report, "dropped "+name("abandoned222")+", left by") {
		t.Error(report)
	}
	if s.scratches() != "4" {
		t.Error(s.scratches(), "are left")
	}
}
