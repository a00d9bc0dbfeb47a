package run

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/terminal"
)

// service is a service's folder with a database of its own; the test's working directory is in it.
type service struct {
	postgrestest.Database
	t *testing.T
}

const (
	createA = "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"
	createB = "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE b;\n"
	createC = "-- +goose Up\nCREATE TABLE c (id int);\n-- +goose Down\nDROP TABLE c;\n"
	indexA  = "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- +goose Down\nDROP INDEX CONCURRENTLY a_id;\n"
	seedA   = "-- +goose Up\nINSERT INTO a VALUES (1);\n-- +goose Down\nDELETE FROM a;\n"
)

func newService(t *testing.T, files map[string]string) service {
	t.Helper()
	made := service{Database: postgrestest.New(t), t: t}
	t.Chdir(t.TempDir())
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "DB_") || strings.HasPrefix(name, "MIGRATION_") || strings.HasPrefix(name, "GITHUB_") || name == "CONFIRM" {
			t.Setenv(name, "")
		}
	}
	for name, value := range map[string]string{
		"ENVIRONMENT": "test", "DB_HOST": made.Host, "DB_PORT": made.Port, "DB_NAME": made.Name, "DB_USER": made.User, "DB_PASSWORD": made.Password,
	} {
		t.Setenv(name, value)
	}
	made.write(".goose.yml", "driver: postgres\nservice: avion-auth\n")
	made.write("migrations/.gitkeep", "")
	for name, content := range files {
		made.write(name, content)
	}
	return made
}

func (s service) write(name, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s service) remove(name string) {
	s.t.Helper()
	if err := os.Remove(name); err != nil {
		s.t.Fatal(err)
	}
}

// do runs an operation and returns what it wrote to stdout, to stderr, and its error.
func (s service) do(operation func(*Engine, context.Context) error) (string, string, error) {
	s.t.Helper()
	var out, report bytes.Buffer
	engine, err := New(terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &report})
	if err == nil {
		err = operation(engine, context.Background())
	}
	text := out.String() + report.String()
	if err != nil {
		text += err.Error()
	}
	if strings.Contains(text, s.Password) {
		s.t.Errorf("the password is in %q", text)
	}
	return out.String(), report.String(), err
}

// silence is a terminal that nobody reads.
func (s service) silence() terminal.Terminal {
	return terminal.Terminal{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
}

// must runs an operation that has to succeed.
func (s service) must(operation func(*Engine, context.Context) error) (string, string) {
	s.t.Helper()
	out, report, err := s.do(operation)
	if err != nil {
		s.t.Fatalf("%s\n%s", err, report)
	}
	return out, report
}

// refuses runs an operation that has to fail with an exit code, and with words in its sentence.
func (s service) refuses(operation func(*Engine, context.Context) error, code failure.Code, words ...string) {
	s.t.Helper()
	_, _, err := s.do(operation)
	if failure.CodeOf(err) != code {
		s.t.Fatalf("exit code %d, not %d: %v", failure.CodeOf(err), code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			s.t.Errorf("%q does not say %q", err, word)
		}
	}
}

func (s service) hasTable(name string) bool {
	s.t.Helper()
	return s.Value(s.t, "SELECT to_regclass('"+name+"') IS NOT NULL") == "true"
}

// versions is goose's table in the order of its rows.
func (s service) versions(table string) string {
	s.t.Helper()
	return s.Value(s.t, "SELECT coalesce(string_agg(version_id::text, ' ' ORDER BY id), '') FROM "+table)
}

func (s service) expectVersions(want string) {
	s.t.Helper()
	if got := s.versions("goose_db_version"); got != want {
		s.t.Errorf("goose_db_version holds %q, not %q", got, want)
	}
}

// goose runs the stock command line of the version that go.mod pins.
func (s service) goose(arguments ...string) string {
	s.t.Helper()
	folder, err := filepath.Abs("migrations")
	if err != nil {
		s.t.Fatal(err)
	}
	tool := exec.Command("go", append([]string{"-C", module, "tool", "goose", "-env=none", "-dir", folder}, arguments...)...)
	tool.Env = append(os.Environ(), "GOOSE_DRIVER=postgres", "GOOSE_DBSTRING=application_name=goose", "GOWORK=off",
		"PGHOST="+s.Host, "PGPORT="+s.Port, "PGDATABASE="+s.Name, "PGUSER="+s.User, "PGPASSWORD="+s.Password, "PGSSLMODE=disable")
	output, err := tool.CombinedOutput()
	if err != nil {
		s.t.Fatalf("goose %s: %s\n%s", arguments, err, output)
	}
	return string(output)
}

// module is the module's folder, read before any test leaves it.
var module = func() string {
	path, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return path
}()
