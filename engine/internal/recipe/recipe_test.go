package recipe

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"avion.internal/migrate/internal/failure"
)

// othersNames mean something to make, to the engine or to the shell already.
var othersNames = []string{"RECIPE", "STEP", "NAME", "BLOCK", "BASE", "JOB", "VERSION", "CONFIRM", "ENVIRONMENT", "GO", "SHELL", "PATH", "HOME", "USER", "LANG"}

var ownName = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)

func TestTheCatalogIsSound(t *testing.T) {
	catalog, err := Catalog()
	if err != nil || len(catalog) == 0 {
		t.Fatal(catalog, err)
	}
	for _, recipe := range catalog {
		taken := map[string]bool{}
		for _, step := range recipe.Steps {
			typed := func(name string) string {
				at := slices.IndexFunc(recipe.Variables, func(v Variable) bool { return v.Name == name })
				return step.example(recipe.Variables[at])
			}
			stamp, err := recipe.render(step, typed)
			if err != nil || stamp.Script == "" && len(stamp.Files) == 0 || stamp.Script != "" && stamp.Name == "" {
				t.Errorf("%s %s: %v, %+v", recipe.Name, step.Name, err, stamp)
			}
			for _, name := range step.Takes {
				taken[name] = true
			}
			for name := range step.Example {
				if !slices.Contains(step.Takes, name) {
					t.Errorf("%s %s has an example for %s, which it does not take", recipe.Name, step.Name, name)
				}
			}
		}
		for _, variable := range recipe.Variables {
			if !ownName.MatchString(variable.Name) || slices.Contains(othersNames, variable.Name) || rules[variable.Kind] == "" || variable.Meaning == "" || variable.Example == "" || !taken[variable.Name] {
				t.Errorf("%s: %+v", recipe.Name, variable)
			}
		}
	}
}

func TestWrongRequestsAreRefusedInOneSentence(t *testing.T) {
	given := map[string]string{"TABLE": "posts", "COLUMNS": "id"}
	for want, c := range map[string]struct {
		recipe, step string
		names        []string
		but          map[string]string
	}{
		"UNIQE is no variable":  {names: []string{"TABLE", "UNIQE"}},
		"use one of":            {recipe: "nope"},
		"STEP is":               {step: "nope"},
		"TABLE is missing":      {but: map[string]string{"TABLE": ""}},
		`TABLE is "Posts"`:      {but: map[string]string{"TABLE": "Posts"}},
		`TABLE is "a.b.c"`:      {but: map[string]string{"TABLE": "a.b.c"}},
		`COLUMNS is "id); DROP`: {but: map[string]string{"COLUMNS": "id); DROP TABLE posts; --"}},
		"UNIQUE is":             {but: map[string]string{"UNIQUE": "true"}},
		"INDEX is":              {but: map[string]string{"TABLE": strings.Repeat("a", 63)}},
		"TIMEOUT is":            {but: map[string]string{"TIMEOUT": "1 h"}},
	} {
		if c.recipe == "" {
			c.recipe = "concurrent_index"
		}
		_, err := Render(Request{Recipe: c.recipe, Step: c.step, Names: c.names, Value: func(name string) string {
			if value, other := c.but[name]; other {
				return value
			}
			return given[name]
		}})
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestValuesAreReadByKind(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		typed string
		want  string // empty: refused
	}{
		{Table, "posts", "posts"},
		{Table, "app.user", `app."user"`},
		{Table, `"Posts"`, ""},
		{Identifiers, "id,order", `id, "order"`},
		{Identifiers, "id,,b", ""},
		{Expression, "lower(name) || ';'", "lower(name) || ';'"},
		{Expression, "data->>'a'", "data->>'a'"},
		{Expression, "a); DROP TABLE b; (", ""},
		{Expression, ") OR (true", ""},
		{Expression, "'open", ""},
		{Expression, "a -- b", ""},
		{Expression, "a /* b", ""},
		{Expression, "$$", ""},
		{Expression, "'$$'", ""},
		{Expression, "a\nb", ""},
		{Expression, "E'\\''", ""},
		{Type, "bigint", "bigint"},
		{Type, "numeric(10,2)", "numeric(10,2)"},
		{Type, "timestamp(3) with time zone", "timestamp(3) with time zone"},
		{Type, "text[]", "text[]"},
		{Type, "int; x", ""},
		{Number, "10", "10"},
		{Number, "0", ""},
		{Limit, "1h", "1h"},
		{Days, "400d", "400d"},
		{Days, "400", ""},
		{Text, "it's", "it's"},
		{Text, "a\nb", ""},
	} {
		value, err := Variable{Name: "X", Kind: c.kind}.accept(c.typed)
		got := ""
		if err == nil {
			got, err = render("{{.X}}", map[string]any{"X": value})
		}
		if got != c.want {
			t.Errorf("%s %q: %q, %v", c.kind, c.typed, got, err)
		}
	}
}

func TestPartsOfANameAreAtHand(t *testing.T) {
	values := map[string]any{"T": name("app.order"), "C": name("a, b"), "O": name("id"), "E": word("lower(Name) DESC"), "W": word("it's")}
	got, err := render("{{.T}} {{.T.Name}} {{.T.Prefix}} {{.C.Name}} {{.E.Name}} {{.W.Literal}} {{.C.List}} {{.O.Between}} {{.C.Between}}", values)
	if want := `app."order" order app. a_b lower_name_desc 'it''s' a,b id BETWEEN $1 AND $2 (a, b) >= ($1, $2) AND (a, b) <= ($3, $4)`; err != nil || got != want {
		t.Error(got, err)
	}
}

func TestAStepTakesWhatItsTextsUse(t *testing.T) {
	catalog, err := read(fstest.MapFS{
		"r/recipe.yml": {Data: []byte(`
variables:
  - {name: A, kind: identifier, example: a}
  - {name: B, kind: identifier, default: "{{.A}}_b"}
  - {name: C, kind: identifier, example: c}
  - {name: D, kind: identifier, default: d, unlike: B}
steps:
  - {name: one, job: "{{.B}}", migration: m}
  - {name: two, migration: "{{.C}}"}
`)},
		"r/one.sql.tmpl":             {Data: []byte("-- +goose Up\nSELECT '{{.Job}}'{{if .D}}{{.D}}{{end}};\n")},
		"r/one.backfill.sql.tmpl":    {Data: []byte("backfill {{.Job}}")},
		"r/one.maintenance.sql.tmpl": {Data: []byte("maintain {{.Job}}")},
		"r/two.sql.tmpl":             {Data: []byte("-- +goose Up\nSELECT 1;\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := catalog[0].Steps[0]; !slices.Equal(got.Takes, []string{"A", "B", "D"}) ||
		got.Command != "make migrate-create RECIPE=r STEP=one A=a" {
		t.Errorf("%+v", got)
	}
	stamp, err := renderFrom(catalog, Request{Recipe: "r", Value: func(name string) string { return map[string]string{"A": "x"}[name] }})
	if err != nil || stamp.Name != "m" || !strings.Contains(stamp.Script, "'x_b'd") || len(stamp.Files) != 2 ||
		stamp.Files[0].Path != "backfill/x_b.sql" || stamp.Files[1].Content != "maintain x_b" {
		t.Errorf("%+v %v", stamp, err)
	}
	_, err = renderFrom(catalog, Request{Recipe: "r", Value: func(name string) string { return map[string]string{"A": "x", "D": "x_b"}[name] }})
	if err == nil || !strings.Contains(err.Error(), "B and D are both") {
		t.Error(err)
	}
}
