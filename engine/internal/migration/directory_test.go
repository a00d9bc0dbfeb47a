package migration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const valid = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n"

func TestOnlyMigrationsCount(t *testing.T) {
	directory := folder(t, map[string]string{
		"00002_b.sql": valid, "00001_a.sql": valid, ".gitkeep": "", "README.md": "", "notes.txt": "", "sub.d/00009_x.sql": valid,
	})
	if len(directory.Migrations) != 2 || directory.Migrations[0].File != "00001_a.sql" || directory.Last() != 2 {
		t.Errorf("%+v", directory)
	}
	if err := directory.Check(); err != nil {
		t.Error(err)
	}
}

func TestAFileWithABadNameIsRefused(t *testing.T) {
	for _, name := range []string{
		"README.sql", "20250113120000_a.sql", "0001_a.sql", "000001_a.sql", "00000_a.sql", "00001.sql", "00001_.sql",
		"00001_A.sql", "00001_a-b.sql", "00001_a__b.sql", "00001_a_.sql", "00001_a b.sql", "00001_é.sql", "00001_a.SQL",
		"00001_a.go", "00001_a.sql/x",
	} {
		directory := folder(t, map[string]string{name: valid, "00002_b.sql": valid})
		err := directory.Check()
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), strings.TrimSuffix(name, "/x")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoFilesOfOneVersionAreRefusedByName(t *testing.T) {
	directory := folder(t, map[string]string{"00001_a.sql": valid, "00002_b.sql": valid, "00002_c.sql": valid, "x.sql": valid})
	err := directory.Check()
	if failure.CodeOf(err) != failure.CodeHistoryMismatch ||
		!strings.Contains(err.Error(), "00002_b.sql") || !strings.Contains(err.Error(), "00002_c.sql") {
		t.Error(err)
	}
}

func TestAMissingFolderIsRefused(t *testing.T) {
	if _, err := ReadDirectory(filepath.Join(t.TempDir(), "nowhere"), Rules{Naming: Sequence}); failure.CodeOf(err) != failure.CodeRefused {
		t.Error(err)
	}
}

func TestValidationFindsWhatGooseDoesNot(t *testing.T) {
	for content, want := range map[string]string{
		"-- +goose Up\nSELECT 1;\n":                 "no '-- +goose Down' line",
		"-- +goose Up\n-- +goose Down\nSELECT 1;\n": "no statement in its Up section",
		"-- see +goose Up\nSELECT 1;\n":             "is not one of goose's lines",
		"-- +goose Up\nSELECT 1\n-- +goose Down\n":  "a semicolon is missing",
		"": "no '-- +goose Up' line",
		"-- +goose Up\nSELECT 1;\n-- +goose Down\n--": "",
	} {
		problems := Validate(folder(t, map[string]string{"00001_a.sql": content}))
		switch {
		case want == "" && len(problems) > 0:
			t.Errorf("%q: %v", content, problems)
		case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Error(), want)):
			t.Errorf("%q: %v, not %q", content, problems, want)
		}
	}
}

func TestAMigrationWithoutDownCannotBeRolledBack(t *testing.T) {
	directory := folder(t, map[string]string{"00001_a.sql": "-- +goose Up\nSELECT 1;\n-- +goose Down\n-- point of no return\n"})
	if err := directory.CheckDown(directory.Migrations[0]); failure.CodeOf(err) != failure.CodeRefused {
		t.Error(err)
	}
}

func TestNamesBecomeSnakeCase(t *testing.T) {
	for typed, want := range map[string]string{
		"add_users": "add_users", "AddUserProfile": "add_user_profile", "Add User-Profile": "add_user_profile",
		"  add  users ": "add_users", "users2": "users2", "_x_": "x", "addHTTPColumn": "add_httpcolumn",
	} {
		if got, err := Normalise(typed); err != nil || got != want {
			t.Errorf("%q is %q (%v), not %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{
		"", "   ", "___", "a/b", "../a", "a.sql", "a;b", "$(id)", "`id`", "a\nb", "é", "日本", strings.Repeat("a", 101),
	} {
		if got, err := Normalise(typed); err == nil {
			t.Errorf("%q became %q", typed, got)
		}
	}
}

func TestTheNextNumber(t *testing.T) {
	files := func(names ...string) Directory {
		content := map[string]string{}
		for _, name := range names {
			content[name+"_a.sql"] = valid
		}
		return folder(t, content)
	}
	for _, c := range []struct {
		directory Directory
		block     string
		want      int64
	}{
		{files(), "", 1},
		{files("00001", "00002"), "", 3},
		{files("00001", "00250"), "", 251},
		{files(), "200", 200},
		{files("00001", "00250"), "100", 100},
		{files("00001", "00250"), "200", 251},
		{files("00200", "00203", "00300"), "00200", 204},
		{files("00299"), "300", 300},
		{files("00299"), "200", 0},
		{files(), "250", 0},
		{files(), "0", 0},
		{files(), "-100", 0},
		{files(), "100000", 0},
		{files(), "two", 0},
		{files("99999"), "", 0},
	} {
		got, err := c.directory.NextVersion(c.block)
		if got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("block %q after %v: %d (%v), not %d", c.block, c.directory.Migrations, got, err, c.want)
		}
	}
}

func folder(t *testing.T, files map[string]string) Directory {
	t.Helper()
	path := t.TempDir()
	for name, content := range files {
		write(t, path, name, content)
	}
	directory, err := ReadDirectory(path, Rules{Naming: Sequence})
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAHistoryThatBeganUnderOtherRulesGoesOn(t *testing.T) {
	for _, c := range []struct {
		files []string
		last  int64
		block string
		next  int64
	}{
		{[]string{"9_a.sql", "10_B-c.sql"}, 10, "", 11},
		{[]string{"001_initialize_schema.sql", "002_add_index.sql"}, 2, "", 3},
		{[]string{"20240216002844_create_users.sql", "20240217233508_fk.sql"}, 20240217233508, "", 20240217233509},
		{[]string{"20240216002844_create_users.sql"}, 20240216002844, "20240216002900", 20240216002900},
	} {
		content := map[string]string{"embed.go": "package migrations\n", "fs_test.go": "package migrations\n"}
		for _, name := range c.files {
			content[name] = valid
		}
		path := folder(t, content).Path
		directory, err := ReadDirectory(path, Rules{Naming: AsGoose})
		if err != nil || directory.Check() != nil || directory.Last() != c.last {
			t.Errorf("%v: %v %v, last %d", c.files, err, directory.Check(), directory.Last())
		}
		next, err := directory.NextVersion(c.block)
		if err != nil || next != c.next {
			t.Errorf("%v goes on with %d (%v), not %d", c.files, next, err, c.next)
		}
	}
}

func TestWhatGooseTakesAndTheEngineDoesNotIsRefusedWithTheWayOut(t *testing.T) {
	for name, want := range map[string]string{
		"20240216002844_a.sql": "naming: goose",
		"1_a.sql":              "naming: goose",
		"README.sql":           "move it out of the folder",
		"00001_a.go":           "the engine runs SQL only",
	} {
		err := folder(t, map[string]string{name: valid}).Check()
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, without %q", name, err, want)
		}
	}
	adopted, err := ReadDirectory(folder(t, map[string]string{"a_1.sql": valid, "1_a.go": valid, "2_a.SQL": valid}).Path, Rules{Naming: AsGoose})
	if err != nil || len(adopted.Misnamed) != 3 {
		t.Errorf("%v %v", adopted.Misnamed, err)
	}
}
