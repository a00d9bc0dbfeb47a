package migration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

// Of a file that is not what a migration has to be, the sentence names the line and what to do.
func TestEveryFormOfAFileThatPeopleHaveHasATrueSentence(t *testing.T) {
	const up, down = "-- +goose Up\n", "\n-- +goose Down\nSELECT 1;\n"
	for name, c := range map[string]struct {
		content string
		line    int
		words   string
	}{
		"UTF-16":                      {"\xff\xfe-\x00-\x00", 1, "UTF-16"},
		"a byte order mark":           {"\xef\xbb\xbf" + up + "SELECT 1;" + down, 1, "byte order mark"},
		"Shift_JIS":                   {up + "SELECT 1;\n-- \x88\xda\x8d\x73\x82\xcc\x93\xb9\nSELECT 2;" + down, 3, "iconv -f SHIFT_JIS -t UTF-8"},
		"EUC-JP":                      {up + "SELECT '\xb0\xdc\xb9\xd4';" + down, 2, "iconv -f EUC-JP -t UTF-8"},
		"Latin-1":                     {up + "SELECT 'caf\xe9';" + down, 2, "is not UTF-8: save"},
		"a NUL":                       {up + "SELECT 1;\x00" + down, 2, "NUL"},
		"old Macintosh":               {"-- +goose Up\rSELECT 1;\r", 1, "carriage return"},
		"a conflict":                  {up + "<<<<<<< HEAD\nSELECT 1;\n=======\nSELECT 2;\n>>>>>>> theirs" + down, 2, "conflict"},
		"psql's \\connect":            {up + "SELECT 1;\n\\connect other" + down, 3, "psql"},
		"psql's \\i at the end":       {up + "SELECT 1;" + down + "\\i more.sql\n", 5, "psql"},
		"pg_dump's head":              {up + "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;" + down, 6, "psql"},
		"pg_dump's rows":              {up + "COPY public.t (a) FROM stdin;\n1\n\\.\n" + down, 2, "COPY … FROM stdin"},
		"rows to nowhere":             {up + "COPY t TO STDOUT;" + down, 2, "COPY … TO stdout"},
		"a body without a block":      {up + "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1;\n$$;" + down, 2, "body ($$): write '-- +goose StatementBegin'"},
		"a body with a name":          {up + "DO $do$ BEGIN\n  PERFORM 1;\nEND $do$;" + down, 2, "body ($do$)"},
		"a body of one line":          {up + "DO $$ BEGIN\nPERFORM 1; END $$;" + down, 0, ""},
		"BEGIN ATOMIC":                {up + "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n  SELECT 1;\nEND;" + down, 2, "BEGIN ATOMIC"},
		"BEGIN ATOMIC on one line":    {up + "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;" + down, 0, ""},
		"a string over lines":         {up + "INSERT INTO t VALUES ('a;\nb');" + down, 2, "string (')"},
		"a string of backslashes":     {up + "INSERT INTO t VALUES (E'\\';\n');" + down, 2, "string (')"},
		"a name over lines":           {up + "CREATE TABLE \"a;\nb\" ();" + down, 2, "name (\")"},
		"a comment over lines":        {up + "/* why;\nand what */\nSELECT 1;" + down, 2, "comment (/*)"},
		"a comment that ends":         {up + "/* why */ SELECT 1; /* and; */" + down, 0, "semicolon"},
		"a body that never ends":      {up + "DO $$ BEGIN" + down, 2, "does not end"},
		"a lone semicolon":            {up + "SELECT 1;\n;" + down, 3, "no SQL"},
		"ENVSUB":                      {"-- +goose ENVSUB ON\n" + up + "DELETE FROM t WHERE a = '${X}';" + down, 1, "ENVSUB"},
		"ENVSUB in Down":              {up + "SELECT 1;\n-- +goose Down\n-- +goose ENVSUB ON\nDELETE FROM t WHERE a = '${X}';", 4, "ENVSUB"},
		"ENVSUB for a while":          {up + "-- +goose ENVSUB ON\nSELECT '${X}';\n-- +goose ENVSUB OFF" + down, 2, "ENVSUB"},
		"ENVSUB in small letters":     {"--   +goose   envsub on\n" + up + "SELECT '${X}';" + down, 1, "ENVSUB"},
		"ENVSUB OFF":                  {"-- +goose ENVSUB OFF\n" + up + "SELECT 1;" + down, 0, ""},
		"a parameter":                 {up + "SELECT $1;" + down, 2, "($1)"},
		"a parameter of a function":   {up + "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1;" + down, 0, ""},
		"a dollar in a name":          {up + "SELECT a$1 FROM t;" + down, 0, ""},
		"two indexes":                 {"-- +goose NO TRANSACTION\n" + up + "DROP INDEX CONCURRENTLY IF EXISTS a, b;" + down, 3, "several indexes"},
		"an index with its heirs":     {"-- +goose NO TRANSACTION\n" + up + "DROP INDEX CONCURRENTLY a CASCADE;" + down, 3, "without CASCADE"},
		"a whole database":            {up + "REINDEX DATABASE t;" + down, 2, "inside a transaction"},
		"every table":                 {up + "CLUSTER;" + down, 2, "inside a transaction"},
		"a subscription":              {up + "ALTER SUBSCRIPTION s REFRESH PUBLICATION;" + down, 2, "inside a transaction"},
		"windows line ends":           {"-- +goose Up\r\nSELECT 1;\r\n-- +goose Down\r\nSELECT 1;\r\n", 0, ""},
		"a blank that does not break": {up + "SELECT 1;\u00a0" + down, 0, ""},
		"Japanese":                    {up + "COMMENT ON TABLE t IS '移行; の道';" + down, 0, ""},
	} {
		problems := Validate(folderOf(t, map[string]string{"00001_a.sql": c.content}))
		if c.words == "" || c.line == 0 && c.words == "semicolon" {
			if c.words == "" && len(problems) > 0 {
				t.Errorf("%s: %v", name, problems)
			}
			continue
		}
		var placed *failure.Error
		if len(problems) != 1 || !errors.As(problems[0], &placed) || placed.Line != c.line || !strings.Contains(placed.Sentence, c.words) || !strings.Contains(placed.Sentence, "00001_a.sql") {
			t.Errorf("%s: %+v", name, problems)
		}
	}
}

func TestAFileThatNoPodCouldHoldIsRefused(t *testing.T) {
	directory := folderOf(t, map[string]string{"00001_a.sql": "-- +goose Up\nSELECT 1;\n"})
	file, err := os.OpenFile(filepath.Join(directory.Path, "00001_a.sql"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // as the changelog says
		if _, err := file.WriteString("--" + strings.Repeat("x", 1<<20-3) + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := directory.Checksums(); failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "MiB") {
		t.Error(err)
	}
}
