package migration

import "testing"

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
		for header, counts := range map[string]bool{"": true, "-- +goose NO TRANSACTION\n": false} {
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
