package migration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatCanBeRepeated(t *testing.T) {
	for text, want := range map[string]int{
		"CREATE TABLE a (id int);":                                                                         1,
		"create table if not exists a (id int);":                                                           0,
		"CREATE TABLE a (note text DEFAULT 'IF NOT EXISTS');":                                              1,
		"CREATE TABLE a (id int); -- IF NOT EXISTS":                                                        1,
		"CREATE /* IF NOT EXISTS */ TABLE a (id int);":                                                     1,
		"CREATE INDEX CONCURRENTLY i ON a (id);":                                                           1,
		"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id);":                                      0,
		"DROP INDEX CONCURRENTLY i;":                                                                       1,
		"DROP INDEX CONCURRENTLY IF EXISTS i;":                                                             0,
		"DROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON a (id);":                     0,
		"DROP INDEX CONCURRENTLY IF EXISTS app.\"I\";\nCREATE INDEX CONCURRENTLY \"I\" ON app.a (id);":     0,
		"DROP INDEX CONCURRENTLY IF EXISTS j;\nCREATE INDEX CONCURRENTLY i ON a (id);":                     1,
		"CREATE INDEX CONCURRENTLY i ON a (id);\nDROP INDEX CONCURRENTLY IF EXISTS i;":                     1,
		"ALTER TABLE a DROP CONSTRAINT IF EXISTS k;\nALTER TABLE a ADD CONSTRAINT k UNIQUE USING INDEX i;": 0,
		"ALTER TABLE a ADD CONSTRAINT k UNIQUE USING INDEX i;":                                             1,
		"ALTER TABLE a VALIDATE CONSTRAINT k;":                                                             0,
		"ALTER TABLE a ADD COLUMN b int;":                                                                  1,
		"ALTER TABLE a ADD COLUMN IF NOT EXISTS b int;":                                                    0,
		"ALTER TABLE a ADD COLUMN IF NOT EXISTS b int, ADD COLUMN c int;":                                  1,
		"ALTER TABLE a ALTER b SET NOT NULL;":                                                              0,
		"ALTER TYPE mood ADD VALUE 'glad';":                                                                1,
		"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad';":                                                  0,
		"CREATE OR REPLACE VIEW v AS SELECT 1;":                                                            0,
		"INSERT INTO a VALUES (1);":                                                                        1,
		"INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING;":                                                 0,
		"UPDATE a SET n = n + 1;":                                                                          1,
		"DELETE FROM a;":                                                                                   1,
		"VACUUM ANALYZE a;":                                                                                0,
		"SELECT 1;":                                                                                        0,
		"CALL move();":                                                                                     1,
		"DO $$ BEGIN PERFORM 1 /* IF NOT EXISTS */; END $$;":                                               1,
		"REINDEX TABLE CONCURRENTLY a;":                                                                    0,
		"DROP TRIGGER IF EXISTS t ON app.a;\nCREATE TRIGGER t BEFORE INSERT OR UPDATE OF b ON \"a\" FOR EACH ROW EXECUTE FUNCTION f();": 0,
		"DROP TRIGGER IF EXISTS t ON b;\nCREATE TRIGGER t AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION f();":                         1,
		"CREATE POLICY p ON a;":                                                                    1,
		"DROP POLICY IF EXISTS p ON a;\nCREATE POLICY p ON a;":                                     0,
		"DROP MATERIALIZED VIEW IF EXISTS v;\nCREATE MATERIALIZED VIEW v AS SELECT 1;":             0,
		"DROP TABLE IF EXISTS a, b;\nCREATE TABLE b (id int);":                                     1,
		"DROP VIEW IF EXISTS v;\nCREATE TABLE v (id int);":                                         1,
		"CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS $$ SELECT 1; $$;\nDROP PROCEDURE p();":    0,
		"CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS $$ SELECT 1; $$;\nDROP PROCEDURE p(int);": 1,
		"DROP FUNCTION f();": 1,
		"ALTER TABLE a ALTER COLUMN b SET STATISTICS 1000;":                                                                                          0,
		"ALTER TABLE a ENABLE ROW LEVEL SECURITY, OWNER TO o;":                                                                                       0,
		"ALTER TABLE a ALTER b SET DEFAULT f(1, 2), ALTER c DROP NOT NULL;":                                                                          0,
		"ALTER TABLE a ALTER b SET NOT NULL, ADD COLUMN c int;":                                                                                      1,
		"ALTER FUNCTION f() OWNER TO o;":                                                                                                             0,
		"ALTER TABLE a DROP CONSTRAINT k;":                                                                                                           1,
		"ALTER TABLE a DROP CONSTRAINT k, ALTER b DROP NOT NULL, ADD CONSTRAINT k CHECK (b > 0) NOT VALID;":                                          0,
		"ALTER TABLE a DROP CONSTRAINT k, ADD CONSTRAINT l CHECK (b > 0) NOT VALID;":                                                                 1,
		"ALTER TABLE a DROP CONSTRAINT k, ADD CONSTRAINT k UNIQUE USING INDEX i;":                                                                    1,
		"ALTER TABLE b DROP CONSTRAINT IF EXISTS k;\nALTER TABLE a ADD CONSTRAINT k UNIQUE USING INDEX i;":                                           1,
		"-- +goose StatementBegin\nALTER TABLE a VALIDATE CONSTRAINT k;\nALTER TABLE a DROP CONSTRAINT k;\nSELECT 1;\n-- +goose StatementEnd":        1,
		"-- +goose StatementBegin\nSELECT 1;\nCREATE TABLE a (id int);\nDROP TABLE IF EXISTS b;\n-- +goose StatementEnd":                             1,
		"-- +goose StatementBegin\nDROP TRIGGER IF EXISTS t ON a;\nCREATE TRIGGER t AFTER DELETE ON a EXECUTE FUNCTION f();\n-- +goose StatementEnd": 0,
	} {
		script, err := ParseScript("-- +goose NO TRANSACTION\n-- +goose Up\n" + text + "\n")
		if err != nil {
			t.Fatalf("%q: %s", text, err)
		}
		if got := len(unrepeatable(script.Up)); got != want {
			t.Errorf("%q: %d cannot be repeated, not %d", text, got, want)
		}
	}
}

func TestOneStatementThatCannotBeRepeatedIsAllowed(t *testing.T) {
	for content, want := range map[string]string{
		"CREATE TABLE a (id int);\nSELECT 1;\n":                                            "",
		"CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n":                             "2 statements that cannot be repeated (lines 3, 4)",
		"CREATE INDEX CONCURRENTLY ON a (id);\n":                                           "line 3 builds an index without a name",
		"CREATE INDEX CONCURRENTLY i ON a (id);\nCREATE INDEX CONCURRENTLY j ON a (id);\n": "lines 3, 4",
	} {
		folder := t.TempDir()
		up := "-- +goose NO TRANSACTION\n-- +goose Up\n" + content + "-- +goose Down\nSELECT 1;\n"
		if err := os.WriteFile(filepath.Join(folder, "00001_a.sql"), []byte(up), 0o600); err != nil {
			t.Fatal(err)
		}
		directory, err := ReadDirectory(folder, Sequence)
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

func TestOnlyConcurrentStatementsMayWaitLong(t *testing.T) {
	for text, want := range map[string]bool{
		"CREATE INDEX CONCURRENTLY i ON a (id);":    true,
		"DROP INDEX CONCURRENTLY IF EXISTS i;":      true,
		"REINDEX (VERBOSE) INDEX CONCURRENTLY i;":   true,
		"CREATE INDEX i ON a (id);":                 false,
		"ALTER TABLE a ADD COLUMN b int;":           false,
		"REFRESH MATERIALIZED VIEW CONCURRENTLY v;": false,
		"SELECT 'CREATE INDEX CONCURRENTLY';":       false,
	} {
		if got := WaitsForOthersOnly([]Statement{{Text: text}}); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
