package sqltext_test

import (
	"strings"
	"testing"

	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/sqltext"
)

func TestNames(t *testing.T) {
	for text, want := range map[string]struct{ plainName, plainTable, name, table bool }{
		"posts":                  {true, true, true, true},
		"app.posts":              {false, true, false, true},
		"Posts":                  {false, false, true, true},
		`"my posts"`:             {false, false, true, true},
		`"a ""b"" c"`:            {false, false, true, true},
		`app."my.posts"`:         {false, false, false, true},
		"投稿":                     {false, false, true, true},
		"1st":                    {},
		"":                       {},
		"a.b.c":                  {},
		"posts;":                 {},
		"posts\n":                {},
		strings.Repeat("a", 64):  {false, false, true, true},
		strings.Repeat("a", 63):  {true, true, true, true},
		`"a" OR true OR "b" = "`: {},
	} {
		if got := sqltext.IsPlainName(text); got != want.plainName {
			t.Errorf("IsPlainName(%q) is %t", text, got)
		}
		if got := sqltext.IsPlainTable(text); got != want.plainTable {
			t.Errorf("IsPlainTable(%q) is %t", text, got)
		}
		if got := sqltext.IsName(text); got != want.name {
			t.Errorf("IsName(%q) is %t", text, got)
		}
		if got := sqltext.IsTable(text); got != want.table {
			t.Errorf("IsTable(%q) is %t", text, got)
		}
	}
}

func TestWhatIsWrittenComesBackFromTheServer(t *testing.T) {
	database := postgrestest.New(t)
	for _, text := range []string{"posts", `it's "so"`, `back\slash`, "改行\n", "$$", "; DROP TABLE a; --"} {
		if got := database.Value(t, "SELECT "+sqltext.Literal(text)); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
		if got := database.Value(t, "SELECT json_object_keys(row_to_json(each)) FROM (SELECT 1 AS "+sqltext.Name(text)+") each"); got != text {
			t.Errorf("the name %q came back as %q", text, got)
		}
	}
}
