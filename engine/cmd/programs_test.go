// Package cmd_test holds the built programs to what each of them may hold and do.
package cmd_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/postgrestest"
)

const module = "avion.internal/migrate/internal/"

// developers is what only developers may have: what drops databases, writes or edits files, or reads SQL as PostgreSQL does.
// Each entry is the beginning of a symbol.
var developers = []string{
	module + "develop.", module + "draft.", module + "recipe.", module + "wiring.", module + "lint.", module + "doctor.", module + "git.",
	module + "trace.", module + "rules.", module + "sqlparser.", "github.com/tetratelabs/wazero", "github.com/wasilibs/go-pgquery",
}

// destructive is text that a program which cannot do the thing does not hold.
var destructive = []string{"DROP DATABASE", "squawk-ignore", "TEMPLATE template0"}

// operators are the modules that the program in production is built from. A parser of SQL is none of them.
var operators = []string{
	"github.com/jackc/pgerrcode", "github.com/jackc/pgpassfile", "github.com/jackc/pgservicefile", "github.com/jackc/pgx/v5", "github.com/jackc/puddle/v2",
	"github.com/joho/godotenv", "github.com/mattn/go-isatty", "github.com/mfridman/interpolate", "github.com/mitchellh/colorstring",
	"github.com/pressly/goose/v3", "github.com/rivo/uniseg", "github.com/schollz/progressbar/v3", "github.com/sethvargo/go-retry",
	"github.com/spf13/cobra", "github.com/spf13/pflag", "go.uber.org/multierr", "go.yaml.in/yaml/v4",
	"golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term", "golang.org/x/text",
}

// programs are built once, side by side, with their symbols.
var programs = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return "", err
	}
	temporary = folder
	// go test remembers a result until something changes that the test itself has looked at.
	if err := filepath.WalkDir(filepath.Dir(here), func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", folder+string(filepath.Separator), "./migrate", "./migrate-dev")
	build.Dir = here
	if output, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(output))
	}
	return folder, nil
})

// here is this folder, read before any test leaves it.
var here, _ = filepath.Abs(".")

// temporary is where they are, once they are built.
var temporary string

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(temporary)
	os.Exit(code)
}

func TestTheProgramInProductionHoldsNothingOfDevelopers(t *testing.T) {
	folder := built(t)
	if found := heldBy(t, filepath.Join(folder, "migrate")); len(found) > 0 {
		t.Errorf("migrate holds %s", found)
	}
	// The same look finds all of it where it is.
	if found, want := heldBy(t, filepath.Join(folder, "migrate-dev")), append(slices.Clone(developers), destructive...); !slices.Equal(found, want) {
		t.Errorf("migrate-dev holds %s, not %s", found, want)
	}
}

func TestTheProgramInProductionIsBuiltFromKnownModules(t *testing.T) {
	output := run(t, "go", "version", "-m", filepath.Join(built(t), "migrate"))
	var modules []string
	for _, match := range regexp.MustCompile(`(?m)^\tdep\t(\S+)`).FindAllStringSubmatch(output, -1) {
		modules = append(modules, match[1])
	}
	if !slices.Equal(modules, operators) {
		t.Errorf("migrate is built from %s", modules)
	}
}

// heldBy are those of the symbols and texts above that a program holds.
func heldBy(t *testing.T, program string) []string {
	t.Helper()
	symbols := run(t, "go", "tool", "nm", program)
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(symbols, " "+module+"operate.(*Session).Up") {
		t.Fatalf("%s has no symbols to look at", program)
	}
	var found []string
	for _, symbol := range developers {
		if strings.Contains(symbols, " "+symbol) {
			found = append(found, symbol)
		}
	}
	for _, text := range destructive {
		if bytes.Contains(content, []byte(text)) {
			found = append(found, text)
		}
	}
	return found
}

func TestACommandOfTheOtherProgramRunsThere(t *testing.T) {
	folder := built(t)
	t.Chdir(t.TempDir())
	for file, content := range map[string]string{".goose.yml": "driver: postgres\nservice: avion-auth\n", "migrations/00001_a.sql": "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n"} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SQUAWK", "")
	for _, each := range []struct {
		program, arguments string
		code               int
		says               string
	}{
		{"migrate", "create --block=200 add users", 0, "migrations/00200_add_users.sql\n"},
		{"migrate", "lint --base=nowhere", 1, "nowhere"},
		{"migrate", "help recipes", 0, "migrate-dev recipes [flags]"},
		{"migrate", "recipes --help", 0, "migrate-dev recipes [flags]"},
		{"migrate", "__complete recipes --js", 0, "--json"},
		{"migrate", "completion bash", 0, "bash completion V2 for migrate "},
		{"migrate-dev", "maintain", 0, "holds no job"},
		{"migrate-dev", "to 7", 1, "VERSION is 7"},
		{"migrate-dev", "help up", 0, "migrate up [flags]"},
		{"migrate-dev", "completion zsh", 0, "zsh completion for migrate-dev "},
		{"migrate", "frobnicate", 1, "see migrate --help"},
		{"migrate", "--help", 0, "migrate-dev, in the same folder, has adopt,"},
		{"migrate-dev", "--help", 0, "migrate, in the same folder, has backfill,"},
	} {
		command := exec.Command(filepath.Join(folder, each.program), strings.Fields(each.arguments)...)
		output, _ := command.CombinedOutput()
		if command.ProcessState.ExitCode() != each.code || !strings.Contains(string(output), each.says) {
			t.Errorf("%s %s ends with %d and says %s", each.program, each.arguments, command.ProcessState.ExitCode(), output)
		}
	}
}

func TestAProgramThatIsAloneSaysWhereTheCommandIs(t *testing.T) {
	folder := built(t)
	for program, sentences := range map[string]map[string]string{
		"migrate":     {"lint": "run make migrate-lint in a checkout of the service, or build it there with sh tools/migrate/build.sh migrate-dev\n"},
		"migrate-dev": {"up": "run make migrate-up in a checkout of the service, or build it there with sh tools/migrate/build.sh migrate\n", "mark": ": build it in a checkout"},
	} {
		alone := filepath.Join(t.TempDir(), program)
		content, err := os.ReadFile(filepath.Join(folder, program))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(alone, content, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, sentence := range sentences {
			command := exec.Command(alone, name)
			output, _ := command.CombinedOutput()
			if text := string(output); command.ProcessState.ExitCode() != 1 || strings.Count(text, "\n") != 1 || !strings.Contains(text, sentence) {
				t.Errorf("%s %s ends with %d and says %s", program, name, command.ProcessState.ExitCode(), text)
			}
		}
	}
}

// Each program under the other's name is what two versions are that do not agree on who has a command.
func TestACommandIsHandedOverOnlyOnce(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(built(t), "migrate"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"migrate", "migrate-dev"} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, _ := exec.CommandContext(ctx, filepath.Join(folder, "migrate"), "lint").CombinedOutput()
	if text := string(output); ctx.Err() != nil || strings.Count(text, "\n") != 1 || !strings.Contains(text, "migrate handed lint to migrate, which has no such command either") {
		t.Errorf("it says %q (%v)", text, ctx.Err())
	}
}

type description struct {
	Program   string
	Flags     []struct{ Name string }
	Commands  []struct{ Name, Short, Arguments string }
	Variables []struct {
		Name, Meaning string
		Commands      []string
	}
	ExitCodes []struct {
		Code     int
		TryAgain bool `json:"try_again"`
	} `json:"exit_codes"`
}

func TestAProgramDescribesItselfWithoutAProject(t *testing.T) {
	folder := built(t)
	for _, program := range []string{"migrate", "migrate-dev"} {
		command := exec.Command(filepath.Join(folder, program), "--describe")
		command.Dir = t.TempDir()
		output, err := command.Output()
		var described description
		if err != nil || json.Unmarshal(output, &described) != nil || described.Program != program {
			t.Fatalf("%s says %s (%v)", program, output, err)
		}
		var names []string
		for _, each := range described.Commands {
			names = append(names, each.Name)
			if each.Short == "" {
				t.Errorf("%s %s has no meaning", program, each.Name)
			}
		}
		if !slices.Equal(names, cli.Commands[program]) {
			t.Errorf("%s describes %s", program, names)
		}
		for _, each := range described.Variables {
			for _, command := range each.Commands {
				if !slices.Contains(names, command) {
					t.Errorf("%s: %s is read by %s, which is no command", program, each.Name, command)
				}
			}
		}
		if len(described.ExitCodes) != 7 || described.ExitCodes[6].Code != 75 || !described.ExitCodes[6].TryAgain {
			t.Errorf("%s: %+v", program, described.ExitCodes)
		}
	}
}

// A program that links no reader of a variable does not read it.
func TestAProgramDescribesOnlyVariablesThatItHasReadersOf(t *testing.T) {
	declarations := declared(t)
	if len(declarations) < 40 {
		t.Fatalf("only %d declarations were found", len(declarations))
	}
	for _, program := range []string{"migrate", "migrate-dev", "redis-sync"} {
		content, err := json.Marshal(config.Describe(program))
		var variables []struct{ Name string }
		if err != nil || json.Unmarshal(content, &variables) != nil || len(variables) < 20 {
			t.Fatalf("%s: %s (%v)", program, content, err)
		}
		linked := referred(t, program)
		for _, each := range variables {
			if identifier := declarations[strings.TrimSuffix(each.Name, "_FILE")]; !linked[cmp.Or(declarations[each.Name], identifier)] {
				t.Errorf("%s describes %s, which nothing in it reads", program, each.Name)
			}
		}
	}
}

// declared are the identifiers in config of the variables, by their names.
func declared(t *testing.T) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(here, "../internal/config/variables.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, each := range parsed.Decls {
		general, is := each.(*ast.GenDecl)
		if !is || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			ast.Inspect(spec, func(node ast.Node) bool {
				pair, is := node.(*ast.KeyValueExpr)
				if !is {
					return true
				}
				if key, is := pair.Key.(*ast.Ident); is && key.Name == "Name" {
					name, _ := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
					found[name] = spec.(*ast.ValueSpec).Names[0].Name
				}
				return true
			})
		}
	}
	return found
}

// referred are the identifiers of config that the packages of a program name.
func referred(t *testing.T, program string) map[string]bool {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}\n{{end}}{{end}}", "./"+program)
	list.Dir = here
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for file := range strings.FieldsSeq(string(output)) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\bconfig\.([A-Z]\w+)`).FindAllStringSubmatch(string(content), -1) {
			found[match[1]] = true
		}
	}
	return found
}

// What a test program is made from stands in no build information, so only the real one can tell.
func TestTheRecordNamesTheGooseThatTheProgramIsBuiltWith(t *testing.T) {
	folder := built(t)
	database := postgrestest.New(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile(".goose.yml", []byte("driver: postgres\nservice: avion-auth\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("migrations", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("migrations/00001_a.sql", []byte("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(folder, "migrate"), "up")
	command.Env = []string{"ENVIRONMENT=test", "DB_HOST=" + database.Host, "DB_PORT=" + database.Port, "DB_NAME=" + database.Name,
		"DB_USER=" + database.User, "DB_PASSWORD=" + database.Password}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, output)
	}
	if engine := database.Value(t, "SELECT engine FROM goose_db_version_checksum"); !regexp.MustCompile(`^migrate, goose v3\.`).MatchString(engine) {
		t.Error(engine)
	}
}

func built(t *testing.T) string {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command(name, arguments...).Output()
	if err != nil {
		t.Fatalf("%s %s: %s", name, arguments, err)
	}
	return string(output)
}
