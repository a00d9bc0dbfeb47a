package develop

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
)

func validate(withDatabase bool) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error {
		return engine.Validate(ctx, ValidateOptions{Database: withDatabase})
	}
}

// tampering is one way to change files that are applied.
type tampering struct {
	name string
	do   func(random *rand.Rand, files map[string]string)
}

func anyOf(random *rand.Rand, files map[string]string) string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names[random.IntN(len(names))]
}

// edit changes the content of one file at a random place.
func edit(change func(random *rand.Rand, text string, at int) string) func(*rand.Rand, map[string]string) {
	return func(random *rand.Rand, files map[string]string) {
		name := anyOf(random, files)
		files[name] = change(random, files[name], random.IntN(len(files[name])))
	}
}

func letter(random *rand.Rand) string { return string(rune(' ' + random.IntN(95))) }

func another(random *rand.Rand, than byte) string {
	for {
		if found := letter(random); found[0] != than {
			return found
		}
	}
}

func rename(files map[string]string, from, to string) {
	files[to] = files[from]
	delete(files, from)
}

func number(name string) string { return name[:5] }

var tamperings = []tampering{
	{"a byte more", edit(func(random *rand.Rand, text string, at int) string { return text[:at] + letter(random) + text[at:] })},
	{"a byte less", edit(func(_ *rand.Rand, text string, at int) string { return text[:at] + text[at+1:] })},
	{"another byte", edit(func(random *rand.Rand, text string, at int) string {
		return text[:at] + another(random, text[at]) + text[at+1:]
	})},
	{"a space at the end of a line", edit(func(_ *rand.Rand, text string, at int) string {
		line := at + strings.Index(text[at:], "\n")
		return text[:line] + " " + text[line:]
	})},
	{"an empty line", edit(func(_ *rand.Rand, text string, at int) string {
		line := at + strings.Index(text[at:], "\n")
		return text[:line] + "\n" + text[line:]
	})},
	{"no end of the last line", edit(func(_ *rand.Rand, text string, _ int) string { return strings.TrimSuffix(text, "\n") })},
	{"a byte order mark", edit(func(_ *rand.Rand, text string, _ int) string { return "\ufeff" + text })},
	{"another comment", edit(func(random *rand.Rand, text string, _ int) string {
		return strings.Replace(text, "why", "because "+letter(random), 1)
	})},
	{"another case", edit(func(_ *rand.Rand, text string, _ int) string { return strings.Replace(text, "CREATE", "create", 1) })},
	{"a Down that does nothing", edit(func(_ *rand.Rand, text string, _ int) string {
		before, _, _ := strings.Cut(text, "DROP")
		return before + "SELECT 1;\n"
	})},
	{"another name", func(random *rand.Rand, files map[string]string) {
		name := anyOf(random, files)
		rename(files, name, number(name)+"_renamed.sql")
	}},
	{"another number", func(random *rand.Rand, files map[string]string) {
		rename(files, anyOf(random, files), fmt.Sprintf("%05d_moved.sql", 20+random.IntN(60)))
	}},
	{"a higher number", func(random *rand.Rand, files map[string]string) {
		rename(files, anyOf(random, files), fmt.Sprintf("%05d_moved.sql", 300+random.IntN(60)))
	}},
	{"no file", func(random *rand.Rand, files map[string]string) { delete(files, anyOf(random, files)) }},
	{"no file above a number", func(random *rand.Rand, files map[string]string) {
		from := anyOf(random, files)
		for name := range files {
			if name >= from {
				delete(files, name)
			}
		}
		files["00001_first.sql"] = createA // a folder without any migration is another mistake
	}},
	{"a number twice", func(random *rand.Rand, files map[string]string) {
		files[number(anyOf(random, files))+"_twice.sql"] = createB
	}},
	{"a file between", func(random *rand.Rand, files map[string]string) {
		files[fmt.Sprintf("%05d_late.sql", 20+random.IntN(60))] = createB
	}},
	{"two contents swapped", func(random *rand.Rand, files map[string]string) {
		one, other := anyOf(random, files), anyOf(random, files)
		for one == other {
			other = anyOf(random, files)
		}
		files[one], files[other] = files[other], files[one]
	}},
	{"one content for two", func(random *rand.Rand, files map[string]string) {
		one, other := anyOf(random, files), anyOf(random, files)
		for one == other {
			other = anyOf(random, files)
		}
		files[one] = files[other]
	}},
	{"a file with nothing", edit(func(*rand.Rand, string, int) string { return "" })},
}

func applied(versions ...int) map[string]string {
	files := map[string]string{}
	for _, version := range versions {
		files[fmt.Sprintf("%05d_table.sql", version)] = fmt.Sprintf(
			"-- why: number %d\n-- +goose Up\nCREATE TABLE t%d (\n    id int\n);\n\n-- +goose Down\nDROP TABLE t%d;\n", version, version, version)
	}
	return files
}

// put makes the folder hold these files and no others.
func (s service) put(files map[string]string) {
	s.T.Helper()
	old, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		s.T.Fatal(err)
	}
	for _, path := range old {
		s.Remove(path)
	}
	for name, content := range files {
		s.Write("migrations/"+name, content)
	}
}

func TestEveryTamperingIsFound(t *testing.T) {
	const rounds = 200
	s := newService(t, nil)
	original := applied(1, 2, 3, 5, 100, 101, 200, 201)
	s.put(original)
	s.Must((*Engine).Up)
	before := s.Versions("goose_db_version")
	random := rand.New(rand.NewPCG(20, 26))
	found := 0
	for round := range rounds {
		tamper := tamperings[round%len(tamperings)]
		files := map[string]string{}
		maps.Copy(files, original)
		tamper.do(random, files)
		s.put(files)
		missed := false
		for name, operation := range map[string]func(*Engine, context.Context) error{
			"up": (*Engine).Up, "status": status(operate.StatusOptions{JSON: true}), "validate": validate(true), "down": (*Engine).Down,
		} {
			if _, _, err := s.Do(operation); failure.CodeOf(err) != failure.CodeHistoryMismatch {
				t.Errorf("round %d, %s: %s says %v", round, tamper.name, name, err)
				missed = true
			}
		}
		if !missed {
			found++
		}
	}
	if s.Versions("goose_db_version") != before {
		t.Error("the history was changed")
	}
	t.Logf("%d of %d found", found, rounds)
}

func TestGitMayChangeTheEndsOfLines(t *testing.T) {
	s := newService(t, nil)
	original := applied(1, 2, 3)
	s.put(original)
	s.Must((*Engine).Up)
	for name := range original {
		path := "migrations/" + name
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.Write(path, strings.ReplaceAll(string(content), "\n", "\r\n"))
		for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, status(operate.StatusOptions{ExitCode: true}), validate(true)} {
			s.Must(operation)
		}
	}
	s.Must(to("0"))
	s.Must((*Engine).Up)
	s.put(original)
	s.Must((*Engine).Up)
}
