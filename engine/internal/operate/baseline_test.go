package operate

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func baseline(version string) func(*Engine, context.Context) error {
	return func(e *Engine, ctx context.Context) error { return e.Baseline(ctx, version, BaselineOptions{}) }
}

// made is a database whose first two files something else has brought there.
func made(t *testing.T) service {
	s := three(t)
	s.Execute(t, "CREATE TABLE a (id int); CREATE TABLE b (id int); ALTER TABLE a OWNER TO "+s.User+"; ALTER TABLE b OWNER TO "+s.User)
	return s
}

func TestABaselineRecordsFilesWithoutRunningThem(t *testing.T) {
	s := made(t)
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "already exists")
	t.Setenv("CONFIRM", s.Name)
	out, report := s.Must(baseline("2"))
	for _, want := range []string{"00001    00001_a.sql  recorded as applied, does not run", "00002    00002_b.sql  recorded as applied, does not run", "00003    00003_c.sql  stays pending"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	if !strings.Contains(report, "2 tables and views") || !strings.Contains(report, "recorded 2 migrations as applied") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
	if got := s.Value(t, recorded); got != "1 00001_a.sql "+sum(createA)+" 2 migrate baseline, 2 00002_b.sql "+sum(createB)+" 3 migrate baseline" {
		t.Error(got)
	}
	if s.Value(t, "SELECT environment FROM goose_db_version_environment") != "test" || s.HasTable("c") {
		t.Error("the database is not marked, or a file has run")
	}
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
	s.Must(status(StatusOptions{ExitCode: true}))
	s.Goose("status")
	s.Must(to("1"))
	if s.HasTable("b") {
		t.Error("the rollback of a recorded file did not run")
	}
	s.Must((*Engine).Up)
	s.Write("migrations/00001_a.sql", createA+"\n")
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "00001_a.sql")
}

func TestABaselineShowsFirstWhatItWouldRecord(t *testing.T) {
	s := made(t)
	out, _, err := s.Do(baseline("00002"))
	if !strings.Contains(out, "00002_b.sql  recorded as applied") || failure.CodeOf(err) != failure.CodeRefused ||
		!strings.Contains(err.Error(), "baseline in test records 2 migrations as applied that did not run") || !strings.Contains(err.Error(), "CONFIRM="+s.Name) {
		t.Error(out, err)
	}
	var shown baselineDocument
	out, _, _ = s.Do(func(e *Engine, ctx context.Context) error { return e.Baseline(ctx, "2", BaselineOptions{JSON: true}) })
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Done || len(shown.Recorded) != 2 || shown.Recorded[1] != (baselineFile{2, "00002_b.sql"}) ||
		len(shown.Pending) != 1 || shown.Objects != 2 || shown.Version != 2 {
		t.Error(out, err)
	}
	if s.HasTable("goose_db_version") || s.HasTable("goose_db_version_checksum") {
		t.Error("something was written")
	}
	t.Setenv("CONFIRM", s.Name)
	out, _ = s.Must(func(e *Engine, ctx context.Context) error { return e.Baseline(ctx, "2", BaselineOptions{JSON: true}) })
	if err := json.Unmarshal([]byte(out), &shown); err != nil || !shown.Done {
		t.Error(out, err)
	}
}

func TestABaselineIsRefusedWhereAnotherCommandIsTheRightOne(t *testing.T) {
	s := three(t)
	t.Setenv("CONFIRM", s.Name)
	s.Refuses(baseline("2"), failure.CodeRefused, "holds no table", "make migrate-up")
	s.Refuses(baseline(""), failure.CodeRefused, "make migrate-baseline VERSION=00003")
	for _, wrong := range []string{"0", "4", "-1", "two"} {
		s.Refuses(baseline(wrong), failure.CodeRefused, wrong, "at most 00003")
	}
	s.Must(to("1"))
	s.Refuses(baseline("2"), failure.CodeRefused, "has a history already, which is at 00001", "make migrate-up")
	s.ExpectVersions("0 1")
}

func TestABaselineGoesOnFromTheHistoryOfAnotherTool(t *testing.T) {
	s := made(t)
	s.Execute(t, "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, true);"+
		"GRANT SELECT ON schema_migrations TO "+s.User)
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "golang-migrate, which left a migration half done", "make migrate-baseline VERSION=")
	t.Setenv("CONFIRM", s.Name)
	s.Refuses(baseline("2"), failure.CodeHistoryMismatch, "left a migration half done", "let golang-migrate finish it")
	s.Execute(t, "UPDATE schema_migrations SET dirty = false")
	if _, report := s.Must(baseline("2")); !strings.Contains(report, "beside the history in schema_migrations (of golang-migrate)") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
}

func TestABaselineIsNoWayAroundAHistoryOfGoose(t *testing.T) {
	s := three(t)
	s.Goose("-table", "schema_history", "up-to", "2")
	t.Setenv("CONFIRM", s.Name)
	s.Refuses(baseline("2"), failure.CodeHistoryMismatch, "schema_history", "name it")
	s.Write(".goose.yml", "driver: postgres\nservice: avion-auth\ntable: schema_history\n")
	s.Must((*Engine).Up)
}

func TestABaselineUnderTheLockInATable(t *testing.T) {
	s := made(t)
	s.Write(".goose.yml", "driver: postgres\nservice: avion-auth\nlock: table\n")
	t.Setenv("CONFIRM", s.Name)
	s.Must(baseline("2"))
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
}
