package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	path := t.TempDir()
	for name, content := range files {
		name = filepath.Join(path, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func converts(t *testing.T, files map[string]string) []File {
	t.Helper()
	read, err := Read(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	var all []File
	for position, number := range read.Number() {
		file, err := read.Migrations[position].Convert(number)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	return all
}

const function = `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.at := now();
  RETURN NEW;
END
$$`

func TestPairsBecomeOneFile(t *testing.T) {
	found := converts(t, map[string]string{
		"000001_create-users.up.sql":   "-- Who is who\nBEGIN;\nCREATE TABLE users (id int, at timestamptz); -- all of them\r\n" + function + ";\nCOMMIT;\n",
		"000001_create-users.down.sql": "DROP FUNCTION f; DROP TABLE users",
		"000010_index.up.sql":          "CREATE INDEX CONCURRENTLY users_at ON users (at);",
		"000010_index.down.sql":        "DROP INDEX users_at;",
		"000011_nothing.up.sql":        "-- later\n",
		"README.md":                    "",
	})
	if len(found) != 3 || found[0].Name != "00001_create_users.sql" || found[1].Name != "00010_index.sql" || found[2].Name != "00011_nothing.sql" {
		t.Fatal(found)
	}
	want := "-- Who is who\nCREATE TABLE users (id int, at timestamptz);\n-- all of them\n-- +goose StatementBegin\n" + function +
		";\n-- +goose StatementEnd\n\n-- +goose Down\nDROP FUNCTION f;\nDROP TABLE users;\n"
	if !strings.HasPrefix(found[0].Content, "-- +goose Up\n-- Imported from ") || !strings.HasSuffix(found[0].Content, want) {
		t.Error(found[0].Content)
	}
	if !strings.HasPrefix(found[1].Content, "-- +goose NO TRANSACTION\n") {
		t.Error(found[1].Content)
	}
	if !found[2].Irreversible || found[0].Irreversible || strings.Contains(found[2].Content, "Down") || !strings.Contains(found[2].Content, "SELECT 1;") {
		t.Error(found[2])
	}
}

func TestFilesOfDbmateAreNumberedByTheirPlace(t *testing.T) {
	found := converts(t, map[string]string{
		"20240101120000_Users.sql": "-- migrate:up\nCREATE TABLE users (note text DEFAULT 'a;\nb');\n\n-- migrate:down\nDROP TABLE users;\n",
		"20240301080000_index.sql": "-- migrate:up transaction:false\nREINDEX TABLE users;\n-- migrate:down\n",
	})
	if len(found) != 2 || found[0].Name != "00001_users.sql" || found[1].Name != "00002_index.sql" {
		t.Fatal(found)
	}
	if !strings.Contains(found[0].Content, "-- +goose StatementBegin\nCREATE TABLE users") || strings.Contains(found[0].Content, "migrate:") {
		t.Error(found[0].Content)
	}
	if !strings.HasPrefix(found[1].Content, "-- +goose NO TRANSACTION\n") || !found[1].Irreversible {
		t.Error(found[1].Content)
	}
}

func TestWhatCannotBeConvertedIsNamedByFileAndLine(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"1_a.up.sql line 2 is no SQL that PostgreSQL could read": {"1_a.up.sql": "SELECT 1;\nSELEC 2;"},
		"1_a.up.sql line 3 goes back in a transaction":           {"1_a.up.sql": "BEGIN;\nSELECT 1;\nROLLBACK;"},
		"have the same number":                                   {"1_a.up.sql": "", "01_b.up.sql": ""},
		"1_a.sql line 4 has a second '-- migrate:up'":            {"1_a.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\n-- migrate:up\n"},
		"holds files of golang-migrate and of dbmate":            {"1_a.up.sql": "", "2_b.sql": "-- migrate:up\n"},
		"holds no migration of golang-migrate":                   {"1_a.sql": "-- +goose Up\n"},
		"has a number that is too large":                         {"99999999999999999999_a.up.sql": ""},
	} {
		read, err := Read(folder(t, files))
		if err == nil {
			_, err = read.Migrations[0].Convert(1)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestFoldersAreFoundWhereServicesHaveThem(t *testing.T) {
	top := folder(t, map[string]string{
		"db/migrations/1_a.up.sql": "", "sql/1_a.sql": "-- migrate:up\n", "vendor/x/1_a.up.sql": "", ".git/1_a.up.sql": "", "migrations/00001_a.sql": "-- +goose Up\n",
	})
	found := Find(top)
	if len(found) != 2 || found[0] != filepath.Join(top, "db/migrations") || found[1] != filepath.Join(top, "sql") {
		t.Error(found)
	}
}
