package lint

import (
	"os"
	"path/filepath"
	"testing"

	"migrate/internal/failure"
	"migrate/internal/migration"
)

func source(t *testing.T, content string) migration.Source {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "00001_x.sql"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	directory, err := migration.ReadDirectory(folder, migration.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	read, err := directory.Source(directory.Migrations[0])
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestSquawkCountsFromNought(t *testing.T) {
	findings, err := parse([]byte(`[{"file":"a.sql","line":3,"column":0,"level":"Warning","message":"m","help":null,"rule_name":"r"},` +
		`{"file":"a.sql","line":0,"column":0,"level":"Warning","message":"m","help":"h","rule_name":"require-lock-timeout"}]`))
	want := Finding{File: "a.sql", Line: 4, Column: 1, Level: "warning", Rule: "r", Message: "m"}
	if err != nil || len(findings) != 1 || findings[0] != want {
		t.Error(findings, err)
	}
}

func TestALinterKeepsTheLinesAndLosesDown(t *testing.T) {
	read := source(t, "-- +goose Up\n\n-- why\nSELECT 1;\n-- +goose down\nDROP TABLE a;\n")
	if read.Up != "-- +goose Up\n\n-- why\nSELECT 1;\n" || read.NoTransaction {
		t.Errorf("%+v", read)
	}
}

func TestAnAnnotationEscapesWhatEndsIt(t *testing.T) {
	got := Annotation("services/a,b/")(Finding{File: "migrations/1.sql", Line: 2, Column: 3, Level: "error", Rule: "r", Message: "100%\nsure"})
	want := "::error file=services/a%2Cb/migrations/1.sql,line=2,col=3,title=r::100%25 sure (https://squawkhq.com/docs/r)"
	if got != want {
		t.Error(got)
	}
}

func TestTheEngineKnowsWhatGooseRunsInATransaction(t *testing.T) {
	for statement, refused := range map[string]bool{
		"CREATE INDEX CONCURRENTLY i ON a (b);": true, "create unique index\n concurrently i on a (b);": true, "DROP INDEX CONCURRENTLY i;": true,
		"REINDEX INDEX CONCURRENTLY i;": true, "REINDEX (CONCURRENTLY) TABLE a;": true, "ALTER TABLE p DETACH PARTITION q CONCURRENTLY;": true,
		"VACUUM FULL a;": true, "CREATE DATABASE x;": true, "-- a comment\nVACUUM a;": true,
		"CREATE INDEX i ON a (b);": false, "REINDEX TABLE a;": false, "ALTER TABLE p DETACH PARTITION q;": false, "SELECT 'VACUUM';": false,
		"REFRESH MATERIALIZED VIEW CONCURRENTLY v;": false,
	} {
		for header, counts := range map[string]bool{"": true, "-- +goose NO TRANSACTION\n": false} {
			findings := judge(source(t, header+"-- +goose Up\n"+statement+"\n-- +goose Down\nVACUUM;\n"), nil)
			if (len(findings) == 1) != (refused && counts) {
				t.Errorf("%s%s: %v", header, statement, findings)
			}
		}
	}
}

func TestADropBeforeACreateIsSafeToRunAgain(t *testing.T) {
	for drop, safe := range map[string]bool{
		"DROP INDEX CONCURRENTLY IF EXISTS i;": true, "drop index concurrently\nif exists I ;": false, "DROP INDEX CONCURRENTLY IF EXISTS j;": false,
		"DROP INDEX CONCURRENTLY i;": false, "SELECT 1;": false,
	} {
		read := source(t, "-- +goose NO TRANSACTION\n-- +goose Up\n"+drop+"\n-- why\nCREATE INDEX CONCURRENTLY i ON a (b);\n")
		line := 5
		if drop == "drop index concurrently\nif exists I ;" {
			line, safe = 6, true
		}
		findings := judge(read, []Finding{{Line: line, Rule: "prefer-robust-stmts"}})
		if (len(findings) == 0) != safe {
			t.Errorf("%s: %v", drop, findings)
		}
	}
}

func TestWhatCanBeRunAgainNeedsNoIfExists(t *testing.T) {
	read := source(t, "-- +goose NO TRANSACTION\n-- +goose Up\nALTER TABLE a\n  ALTER b SET DEFAULT 1;\nALTER TABLE a DROP CONSTRAINT k;\n")
	findings := judge(read, []Finding{{Line: 4, Rule: "prefer-robust-stmts"}, {Line: 5, Rule: "prefer-robust-stmts"}, {Line: 4, Rule: "other"}})
	if len(findings) != 2 || findings[0].Line != 5 || findings[1].Rule != "other" {
		t.Error(findings)
	}
}

func TestABlockIsReportedAtTheLineOfItsStatement(t *testing.T) {
	read := source(t, "-- +goose Up\n-- +goose StatementBegin\n-- why\nSELECT 1;\n\nVACUUM a;\n-- +goose StatementEnd\n")
	findings := judge(read, nil)
	if len(findings) != 1 || findings[0].Line != 6 {
		t.Error(findings)
	}
}

func TestSquawkIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, named := range []string{"", "/nope/squawk"} {
		if _, err := FindSquawk(named); failure.CodeOf(err) != failure.CodeRefused {
			t.Error(err)
		}
	}
}
