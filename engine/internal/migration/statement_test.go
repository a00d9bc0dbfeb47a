package migration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSeveralStatementsAreCutApart(t *testing.T) {
	for text, want := range map[string]int{
		"CREATE TABLE a (b int);\n-- one; two\nALTER TABLE \"x;y\" ADD c int DEFAULT ';';":   2,
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;": 1,
		"DO $$ BEGIN; COMMIT; END $$;": 1,
	} {
		if got := (Statement{Text: text}).Parts(); len(got) != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestAFileThatEndsItsOwnTransactionIsRefused(t *testing.T) {
	for statement, refused := range map[string]bool{
		"BEGIN;": true, "commit;": true, "START TRANSACTION;": true, "ROLLBACK;": true, "END;": true, "-- why\nABORT;": true, "PREPARE TRANSACTION 'x';": true,
		"CREATE INDEX CONCURRENTLY i ON a (b);": true, "VACUUM a;": true, "DISCARD ALL;": true, "reindex (verbose)\nindex concurrently i;": true,
		"ROLLBACK TO SAVEPOINT x;": false, "SAVEPOINT x;": false, "DO $$ BEGIN NULL; END $$;": false, "SELECT 'COMMIT';": false, "DO $do$ BEGIN EXECUTE $q$ BEGIN x; END $q$; END $do$;": false, "CREATE INDEX i ON a (b);": false,
		"-- +goose StatementBegin\nSELECT 1;\nCOMMIT;\nSELECT 2;\n-- +goose StatementEnd": true,
	} {
		outside := !strings.Contains(statement, "CONCURRENTLY") && !strings.Contains(statement, "concurrently") && statement != "VACUUM a;" && statement != "DISCARD ALL;"
		for header, counts := range map[string]bool{"": true, "-- +goose NO TRANSACTION\n": outside} {
			for _, content := range []string{
				header + "-- +goose Up\n" + statement + "\n-- +goose Down\nSELECT 1;\n", header + "-- +goose Up\nSELECT 1;\n-- +goose Down\n" + statement + "\n",
			} {
				problems := Validate(folderOf(t, map[string]string{"00001_a.sql": content}))
				if (len(problems) > 0) != (refused && counts) {
					t.Errorf("%s: %v", content, problems)
				}
			}
		}
	}
}

func TestOnlyKeywordsAndNamesAreLeft(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 'it''s; -- no', E'\\'; COMMIT', e'x' -- why\n, \"a'b\" /* one /* two */ ; */ FROM t;": `SELECT '', '', '' , "a'b" FROM t`,
		"DO $do$ BEGIN EXECUTE $q$ BEGIN x; END $q$; END $do$;":                                       "DO ''",
		"SELECT a$1, $1, $$ it's $$ FROM \"T\"\"x\";":                                                 `SELECT a$1, $1, '' FROM "T""x"`,
		"SELECT typee'x', ü'y', '\\';":                                                                `SELECT typee'', ü'', ''`,
		"/* open":                                                                                     "",
		"SELECT 'open":                                                                                "SELECT ''",
	} {
		if got := (Statement{Text: text}).Plain(); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
}

func TestTheStatementsOfABlockKeepTheirLines(t *testing.T) {
	block := Statement{Line: 3, Text: "-- why; not\nALTER TABLE a ADD b text DEFAULT ';\n';\n\n/* then;\n*/ SELECT (1); COMMIT;\nDO $$ BEGIN\nNULL; END $$"}
	want := []Statement{
		{4, "ALTER TABLE a ADD b text DEFAULT ';\n'"}, {8, "SELECT (1)"}, {8, "COMMIT"}, {9, "DO $$ BEGIN\nNULL; END $$"},
	}
	if got := block.Singles(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	atomic := Statement{Line: 1, Text: "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"}
	if got := atomic.Singles(); !slices.Equal(got, []Statement{atomic}) {
		t.Errorf("%+v", got)
	}
}

func TestABlockIsRefusedAtTheLineThatEndsTheTransaction(t *testing.T) {
	for statement, words := range map[string]string{"COMMIT;": "begins or ends a transaction", "VACUUM a;": "refuses inside a transaction"} {
		folder := t.TempDir()
		content := "-- +goose Up\n-- +goose StatementBegin\n-- why\nSELECT 1;\n\n" + statement + "\n-- +goose StatementEnd\n-- +goose Down\nSELECT 1;\n"
		if err := os.WriteFile(filepath.Join(folder, "00001_a.sql"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		directory, err := ReadDirectory(folder, Rules{Naming: Sequence})
		if err != nil {
			t.Fatal(err)
		}
		err = directory.CheckUp(directory.Migrations[0])
		if err == nil || !strings.Contains(err.Error(), "line 6") || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestABlockWithoutSemicolonIsTerminated(t *testing.T) {
	for content, want := range map[string]string{
		"-- +goose StatementBegin\nSELECT 1 -- ;\n-- why;\n\n-- +goose StatementEnd\nSELECT 2;\n": "-- +goose StatementBegin\nSELECT 1 -- ;\n-- why;\n\n;\nSELECT 2;\n",
		"-- +goose StatementBegin\nSELECT 1; -- x\n\n-- +goose StatementEnd\n":                    "",
		"-- +goose StatementBegin\n-- +goose StatementEnd\n":                                      "",
	} {
		if want == "" {
			want = content
		}
		if got := Terminated(content); got != want {
			t.Errorf("%q", got)
		}
	}
}
func TestIndexesAreFoundByTheirStatement(t *testing.T) {
	for text, want := range map[string]Index{
		"CREATE INDEX CONCURRENTLY i ON a (id);":                                    {"i", "a"},
		"create unique index concurrently if not exists My_I on only app.a (id);":   {"my_i", "app.a"},
		"CREATE INDEX CONCURRENTLY \"My \"\"i\" ON \"App\".\"A b\" USING gin (id);": {`My "i`, `"App"."A b"`},
		"CREATE INDEX i ON a (id);":                                                 {},
		"-- why\nCREATE INDEX CONCURRENTLY i -- what\nON a (id);":                   {"i", "a"},
	} {
		index, _ := Statement{Text: text}.concurrentIndex()
		if index != want {
			t.Errorf("%q: %v", text, index)
		}
	}
}

func TestWhatAFileWithoutATransactionMayNotHold(t *testing.T) {
	for content, want := range map[string]string{
		"CREATE TABLE a (id int);\nCREATE TABLE b (id int);\nCREATE INDEX CONCURRENTLY i ON a (id);\n": "",
		"CREATE INDEX CONCURRENTLY ON a (id);\n":                                                       "line 3 builds an index without a name",
		"BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n":                                                  "line 3 begins or ends a transaction",
		"-- +goose StatementBegin\nSELECT 1;\nCOMMIT;\n-- +goose StatementEnd\n":                       "line 5 begins or ends a transaction",
	} {
		folder := t.TempDir()
		up := "-- +goose NO TRANSACTION\n-- +goose Up\n" + content + "-- +goose Down\nSELECT 1;\n"
		if err := os.WriteFile(filepath.Join(folder, "00001_a.sql"), []byte(up), 0o600); err != nil {
			t.Fatal(err)
		}
		directory, err := ReadDirectory(folder, Rules{Naming: Sequence})
		if err != nil {
			t.Fatal(err)
		}
		err = directory.CheckUp(directory.Migrations[0])
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", content, err)
		}
		if problems := Validate(directory); len(problems) > 0 != (want != "") {
			t.Errorf("%q: %v", content, problems)
		}
	}
}
