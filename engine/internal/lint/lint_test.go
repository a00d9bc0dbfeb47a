package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/rules"
)

func source(t *testing.T, content string) migration.Source {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "00001_x.sql"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	directory, err := migration.ReadDirectory(folder, migration.Rules{Naming: migration.Sequence})
	if err != nil {
		t.Fatal(err)
	}
	read, err := directory.Source(directory.Migrations[0])
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func judged(t *testing.T, read migration.Source, reported []Finding) []Finding {
	t.Helper()
	review, err := Judge(read, reported, nil)
	if err != nil {
		t.Fatal(err)
	}
	return review.Findings
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
			findings := judged(t, source(t, header+"-- +goose Up\n"+statement+"\n-- +goose Down\nVACUUM;\n"), nil)
			ours := slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == rules.OutsideTransaction.Name })
			if ours != (refused && counts) {
				t.Errorf("%s%s: %v", header, statement, findings)
			}
		}
	}
}

func TestABlockIsReportedAtTheLineOfItsStatement(t *testing.T) {
	read := source(t, "-- +goose Up\n-- +goose StatementBegin\n-- why\nSELECT 1;\n\nVACUUM a;\n-- +goose StatementEnd\n")
	findings := judged(t, read, nil)
	if len(findings) != 1 || findings[0].Line != 6 {
		t.Error(findings)
	}
}

func TestTheEngineReadsWhatSquawkLetsPass(t *testing.T) {
	const alone = "SELECT 1;\n"
	for _, c := range []struct{ before, statement, want string }{
		{alone, "CLUSTER a USING i;", rules.TableRewrite.Name}, {alone, "cluster (verbose) a;", rules.TableRewrite.Name},
		{alone, "REFRESH MATERIALIZED VIEW s.v;", rules.ConcurrentRefresh.Name}, {alone, "refresh materialized view v WITH NO DATA;", rules.ConcurrentRefresh.Name},
		{alone, "REFRESH MATERIALIZED VIEW CONCURRENTLY v;", ""},
		{"CREATE MATERIALIZED VIEW s.v AS SELECT 1 WITH NO DATA;\n", "REFRESH MATERIALIZED VIEW s.v;", ""}, {"CREATE TABLE archive.a (b int);\n", "UPDATE public.a SET b = 1;", rules.RequireWhere.Name},
		{alone, "UPDATE a SET b = 1;", rules.RequireWhere.Name}, {alone, "UPDATE a SET b = (SELECT c FROM d WHERE d.id = a.id);", rules.RequireWhere.Name},
		{alone, "DELETE FROM ONLY a;", rules.RequireWhere.Name}, {alone, "UPDATE a SET b = 1 WHERE c;", ""}, {alone, "DELETE FROM a USING d WHERE a.id = d.id;", ""},
		{alone, "SELECT 'UPDATE a SET b';", ""}, {"CREATE TABLE a (b int);\n", "UPDATE a SET b = 1;", ""},
		{alone, "INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1;", ""},
		{"ALTER TABLE a ADD b int;\n", "ALTER TABLE c ADD b int;", rules.OneTable.Name}, {"ALTER TABLE a ADD b int;\n", "ALTER TABLE public.a ADD c int;", ""},
		{"CREATE TABLE a ();\n", "ALTER TABLE c ADD b int;", ""}, {"ALTER TABLE a VALIDATE CONSTRAINT k;\n", "ALTER TABLE c ADD b int;", ""},
		{"ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c NOT VALID;\n", "ALTER TABLE d ADD FOREIGN KEY (b) REFERENCES c NOT VALID;", rules.OneTable.Name},
		{"CREATE TABLE d (b int); ALTER TABLE a ADD b int;\n", "ALTER TABLE d ADD FOREIGN KEY (b) REFERENCES c;", rules.OneTable.Name},
		{"ALTER TABLE a ADD b int;\n", "UPDATE c SET b = 1 WHERE d;", rules.DataApart.Name}, {"ALTER TABLE a ADD b int;\n", "INSERT INTO c (b) SELECT b FROM a;", rules.DataApart.Name},
		{"ALTER TABLE a ADD b int;\n", "INSERT INTO c VALUES ((SELECT 1));", ""}, {"UPDATE a SET b = 1 WHERE c;\n", "ALTER TABLE a ADD d int;", rules.DataApart.Name},
		{"ALTER TYPE m ADD VALUE 'x';\n", "INSERT INTO a VALUES ('x');", rules.ValueApart.Name}, {"ALTER TYPE m ADD VALUE IF NOT EXISTS 'x';\n", "INSERT INTO a VALUES ('y');", ""},
		{"ALTER TYPE m ADD VALUE 'x';\n", "ALTER TYPE m ADD VALUE 'y' AFTER 'x';", ""},
		{"-- squawk-ignore prefer-lookup-table\nCREATE TYPE s.m AS ENUM ('w'); ALTER TYPE s.m ADD VALUE 'x';\n", "INSERT INTO a VALUES ('x');", ""},
		{alone, "CREATE TABLE a (id bigint, b money);", rules.MoneyField.Name}, {alone, "ALTER TABLE a ADD COLUMN IF NOT EXISTS b money;", rules.MoneyField.Name},
		{alone, "ALTER TABLE a ALTER b SET DATA TYPE money;", rules.MoneyField.Name}, {alone, "CREATE TEMP TABLE a (b json);", rules.PreferJSONB.Name},
		{alone, "ALTER TABLE a ADD COLUMN money text, ADD json jsonb;", ""}, {alone, "CREATE TABLE a (json text, money numeric);", ""},
	} {
		findings := judged(t, source(t, "-- +goose Up\n"+c.before+"\n-- why\n"+c.statement+"\n-- +goose Down\nUPDATE a SET b = 1;\n"), nil)
		if c.want == "" && len(findings) > 0 || c.want != "" && (len(findings) != 1 || findings[0].Line != 4+strings.Count(c.before, "\n") || findings[0].Rule != c.want) {
			t.Errorf("%s%s: %v", c.before, c.statement, findings)
		}
	}
}

func TestWhatOneTransactionHoldsTogetherDoesNotMatterWithoutOne(t *testing.T) {
	read := source(t, "-- +goose NO TRANSACTION\n-- +goose Up\nALTER TABLE a ADD b int;\nALTER TABLE c ADD b int;\nUPDATE a SET b = 1 WHERE c;\n"+
		"ALTER TYPE m ADD VALUE 'x';\nINSERT INTO a VALUES ('x');\n")
	if findings := judged(t, read, nil); len(findings) > 0 {
		t.Error(findings)
	}
}

func TestAFileExcusesARuleOfTheEngineAsOneOfSquawk(t *testing.T) {
	for comment, excused := range map[string]bool{
		"-- squawk-ignore require-where\n": true, "-- squawk-ignore ban-drop-table, require-where\n": true, "-- squawk-ignore require-where\n-- It is small.\n": true,
		"SELECT 1; -- why\n-- squawk-ignore-file require-where\nSELECT 2;\n": true,
		"-- squawk-ignore ban-drop-table\n":                                  false, "-- squawk-ignore require-where\nSELECT 1;\n": false, "-- squawk-ignore require-where\n\n": false,
	} {
		findings := judged(t, source(t, "-- +goose Up\n"+comment+"UPDATE a SET b = 1;\n"), nil)
		if (len(findings) == 0) != excused {
			t.Errorf("%q: %v", comment, findings)
		}
	}
	unknown := []Finding{{Rule: "unused-ignore", Message: "unknown name require-where"}, {Rule: "unused-ignore", Message: "unknown name require-were"}}
	if findings := judged(t, source(t, "-- +goose Up\nSELECT 1;\n"), unknown); len(findings) != 1 || findings[0] != unknown[1] {
		t.Error(findings)
	}
}

func TestAnIndexIsNotToBeAddedNotValid(t *testing.T) {
	reported := []Finding{{Rule: rules.MissingNotValid.Name, Line: 2}}
	for statement, told := range map[string]bool{
		"ALTER TABLE a ADD CONSTRAINT u UNIQUE (b);": false, "ALTER TABLE a ADD PRIMARY KEY (id);": false,
		"ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);": true, "ALTER TABLE a ADD CONSTRAINT u UNIQUE (b), ADD CONSTRAINT c CHECK (b > 0);": true,
	} {
		if findings := judged(t, source(t, "-- +goose Up\n"+statement+"\n"), reported); (len(findings) == 1) != told {
			t.Errorf("%s: %v", statement, findings)
		}
	}
}

func TestOnlySquawksRulesAreExplainedBySquawk(t *testing.T) {
	for rule, explained := range map[string]bool{rules.RequireWhere.Name: false, rules.OutsideTransaction.Name: false, "ban-drop-table": true} {
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
