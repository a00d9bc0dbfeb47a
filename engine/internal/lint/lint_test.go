package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
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
			ours := slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == OutsideTransaction })
			if ours != (refused && counts) {
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
	if len(findings) != 2 || findings[0].Rule != "other" || findings[1].Line != 5 {
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

func TestTheEngineReadsWhatSquawkLetsPass(t *testing.T) {
	const alone = "SELECT 1;\n"
	for _, c := range []struct{ before, statement, want string }{
		{alone, "CLUSTER;", tableRewrite}, {alone, "CLUSTER a USING i;", tableRewrite}, {alone, "cluster (verbose) a;", tableRewrite},
		{alone, "REFRESH MATERIALIZED VIEW s.v;", concurrentRefresh}, {alone, "refresh materialized view v WITH NO DATA;", concurrentRefresh},
		{alone, "REFRESH MATERIALIZED VIEW CONCURRENTLY v;", ""},
		{"CREATE MATERIALIZED VIEW s.v AS SELECT 1 WITH NO DATA;\n", "REFRESH MATERIALIZED VIEW v;", ""},
		{alone, "UPDATE a SET b = 1;", requireWhere}, {alone, "UPDATE a SET b = (SELECT c FROM d WHERE d.id = a.id);", requireWhere},
		{alone, "DELETE FROM ONLY a;", requireWhere}, {alone, "UPDATE a SET b = 1 WHERE c;", ""}, {alone, "DELETE FROM a USING d WHERE a.id = d.id;", ""},
		{alone, "SELECT 'UPDATE a SET b';", ""}, {"CREATE TABLE a (b int);\n", "UPDATE a SET b = 1;", ""},
		{alone, "INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1;", ""},
		{"ALTER TABLE a ADD b int;\n", "ALTER TABLE c ADD b int;", oneTable}, {"ALTER TABLE a ADD b int;\n", "ALTER TABLE public.a ADD c int;", ""},
		{"CREATE TABLE a ();\n", "ALTER TABLE c ADD b int;", ""}, {"ALTER TABLE a VALIDATE CONSTRAINT k;\n", "ALTER TABLE c ADD b int;", ""},
		{"ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c NOT VALID;\n", "ALTER TABLE d ADD FOREIGN KEY (b) REFERENCES c NOT VALID;", oneTable},
		{"CREATE TABLE d (b int); ALTER TABLE a ADD b int;\n", "ALTER TABLE d ADD FOREIGN KEY (b) REFERENCES c;", ""},
		{"ALTER TABLE a ADD b int;\n", "UPDATE c SET b = 1 WHERE d;", dataApart}, {"ALTER TABLE a ADD b int;\n", "INSERT INTO c (b) SELECT b FROM a;", dataApart},
		{"ALTER TABLE a ADD b int;\n", "INSERT INTO c VALUES ((SELECT 1));", ""}, {"UPDATE a SET b = 1 WHERE c;\n", "ALTER TABLE a ADD d int;", dataApart},
		{"ALTER TYPE m ADD VALUE 'x';\n", "INSERT INTO a VALUES ('x');", valueApart}, {"ALTER TYPE m ADD VALUE IF NOT EXISTS 'x';\n", "INSERT INTO a VALUES ('y');", ""},
		{"ALTER TYPE m ADD VALUE 'x';\n", "ALTER TYPE m ADD VALUE 'y' AFTER 'x';", ""},
		{"CREATE TYPE s.m AS ENUM ('w'); ALTER TYPE s.m ADD VALUE 'x';\n", "INSERT INTO a VALUES ('x');", ""},
		{alone, "CREATE TABLE a (id bigint, b money);", moneyField}, {alone, "ALTER TABLE a ADD COLUMN IF NOT EXISTS b money;", moneyField},
		{alone, "ALTER TABLE a ALTER b SET DATA TYPE money;", moneyField}, {alone, "CREATE TEMP TABLE a (b json);", preferJSONB},
		{alone, "ALTER TABLE a ADD COLUMN money text, ADD json jsonb;", ""}, {alone, "CREATE TABLE a (json text, money numeric);", ""},
	} {
		findings := judge(source(t, "-- +goose Up\n"+c.before+"\n-- why\n"+c.statement+"\n-- +goose Down\nUPDATE a SET b = 1;\n"), nil)
		if c.want == "" && len(findings) > 0 || c.want != "" && (len(findings) != 1 || findings[0].Line != 5 || findings[0].Rule != c.want) {
			t.Errorf("%s%s: %v", c.before, c.statement, findings)
		}
	}
}

func TestWhatOneTransactionHoldsTogetherDoesNotMatterWithoutOne(t *testing.T) {
	read := source(t, "-- +goose NO TRANSACTION\n-- +goose Up\nALTER TABLE a ADD b int;\nALTER TABLE c ADD b int;\nUPDATE a SET b = 1 WHERE c;\n"+
		"ALTER TYPE m ADD VALUE 'x';\nINSERT INTO a VALUES ('x');\n")
	if findings := judge(read, nil); len(findings) > 0 {
		t.Error(findings)
	}
}

func TestAFileExcusesARuleOfTheEngineAsOneOfSquawk(t *testing.T) {
	for comment, excused := range map[string]bool{
		"-- squawk-ignore require-where\n": true, "-- squawk-ignore ban-drop-table, require-where\n": true, "-- squawk-ignore require-where\n-- It is small.\n": true,
		"SELECT 1; -- why\n-- squawk-ignore-file require-where\nSELECT 2;\n": true,
		"-- squawk-ignore ban-drop-table\n":                                  false, "-- squawk-ignore require-where\nSELECT 1;\n": false, "-- squawk-ignore require-where\n\n": false,
	} {
		findings := judge(source(t, "-- +goose Up\n"+comment+"UPDATE a SET b = 1;\n"), nil)
		if (len(findings) == 0) != excused {
			t.Errorf("%q: %v", comment, findings)
		}
	}
	unknown := []Finding{{Rule: "unused-ignore", Message: "unknown name require-where"}, {Rule: "unused-ignore", Message: "unknown name require-were"}}
	if findings := judge(source(t, "-- +goose Up\nSELECT 1;\n"), unknown); len(findings) != 1 || findings[0] != unknown[1] {
		t.Error(findings)
	}
}

func TestOnlySquawksRulesAreExplainedBySquawk(t *testing.T) {
	for rule, explained := range map[string]bool{requireWhere: false, OutsideTransaction: false, "ban-drop-table": true} {
		if strings.Contains(Text(Finding{Rule: rule}), "squawkhq") != explained {
			t.Error(rule)
		}
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
