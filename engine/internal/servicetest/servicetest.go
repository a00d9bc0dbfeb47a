// Package servicetest gives a test a service's folder with a database of its own, and runs the engine's operations in it. No
// program holds it.
//
// May import: failure, postgrestest, terminal.
package servicetest

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

// Service is a service's folder with a database of its own; the test's working directory is in it. E is the engine whose
// operations run in it.
type Service[E any] struct {
	postgrestest.Database
	T    *testing.T
	open func(terminal.Terminal) (*E, error)
}

// Operation is one of the engine's.
type Operation[E any] func(*E, context.Context) error

// Small migrations and a seed.
const (
	CreateA = "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"
	CreateB = "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE b;\n"
	CreateC = "-- +goose Up\nCREATE TABLE c (id int);\n-- +goose Down\nDROP TABLE c;\n"
	IndexA  = "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- +goose Down\nDROP INDEX CONCURRENTLY a_id;\n"
	SeedA   = "-- +goose Up\nINSERT INTO a VALUES (1);\n-- +goose Down\nDELETE FROM a;\n"
)

// New makes a service that holds the files beside its .goose.yml; open is how the engine starts there. Without a server the
// test is skipped.
func New[E any](t *testing.T, open func(terminal.Terminal) (*E, error), files map[string]string) Service[E] {
	t.Helper()
	service := Service[E]{Database: postgrestest.New(t), T: t, open: open}
	t.Chdir(t.TempDir())
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "DB_") || strings.HasPrefix(name, "MIGRATION_") || strings.HasPrefix(name, "GITHUB_") || name == "CONFIRM" {
			t.Setenv(name, "")
		}
	}
	for name, value := range map[string]string{
		"ENVIRONMENT": "test", "DB_HOST": service.Host, "DB_PORT": service.Port, "DB_NAME": service.Name, "DB_USER": service.User, "DB_PASSWORD": service.Password,
	} {
		t.Setenv(name, value)
	}
	service.Write(".goose.yml", "driver: postgres\nservice: avion-auth\n")
	service.Write("migrations/.gitkeep", "")
	for name, content := range files {
		service.Write(name, content)
	}
	return service
}

// Write puts a file into the folder.
func (s Service[E]) Write(name, content string) {
	s.T.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.T.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		s.T.Fatal(err)
	}
}

// Remove takes a file out of the folder.
func (s Service[E]) Remove(name string) {
	s.T.Helper()
	if err := os.Remove(name); err != nil {
		s.T.Fatal(err)
	}
}

// Do runs an operation and returns what it wrote to stdout, to stderr, and its error.
func (s Service[E]) Do(operation Operation[E]) (string, string, error) {
	s.T.Helper()
	var out, report bytes.Buffer
	engine, err := s.open(terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &report})
	if err == nil {
		err = operation(engine, context.Background())
	}
	text := out.String() + report.String()
	if err != nil {
		text += err.Error()
	}
	if strings.Contains(text, s.Password) {
		s.T.Errorf("the password is in %q", text)
	}
	return out.String(), report.String(), err
}

// Silence is a terminal that nobody reads.
func (s Service[E]) Silence() terminal.Terminal {
	return terminal.Terminal{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
}

// Must runs an operation that has to succeed.
func (s Service[E]) Must(operation Operation[E]) (string, string) {
	s.T.Helper()
	out, report, err := s.Do(operation)
	if err != nil {
		s.T.Fatalf("%s\n%s", err, report)
	}
	return out, report
}

// Refuses runs an operation that has to fail with an exit code, and with words in its sentence.
func (s Service[E]) Refuses(operation Operation[E], code failure.Code, words ...string) {
	s.T.Helper()
	_, _, err := s.Do(operation)
	if failure.CodeOf(err) != code {
		s.T.Fatalf("exit code %d, not %d: %v", failure.CodeOf(err), code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			s.T.Errorf("%q does not say %q", err, word)
		}
	}
}

// HasTable tells that the database has a table.
func (s Service[E]) HasTable(name string) bool {
	s.T.Helper()
	return s.Value(s.T, "SELECT to_regclass('"+name+"') IS NOT NULL") == "true"
}

// Versions is goose's table in the order of its rows.
func (s Service[E]) Versions(table string) string {
	s.T.Helper()
	return s.Value(s.T, "SELECT coalesce(string_agg(version_id::text, ' ' ORDER BY id), '') FROM "+table)
}

// ExpectVersions fails the test unless goose's own table holds these rows.
func (s Service[E]) ExpectVersions(want string) {
	s.T.Helper()
	if got := s.Versions("goose_db_version"); got != want {
		s.T.Errorf("goose_db_version holds %q, not %q", got, want)
	}
}

// onlyPostgres leaves the drivers of other databases out of the goose CLI, and their dozens of modules out of the download.
const onlyPostgres = "-tags=no_clickhouse,no_libsql,no_mssql,no_mysql,no_sqlite3,no_vertica,no_ydb"

// Goose runs the stock command line of the version that go.mod pins.
func (s Service[E]) Goose(arguments ...string) string {
	s.T.Helper()
	folder, err := filepath.Abs("migrations")
	if err != nil {
		s.T.Fatal(err)
	}
	version := exec.Command("go", "list", "-m", "-f={{.Version}}", "github.com/pressly/goose/v3")
	version.Dir = module
	pin, err := version.Output()
	if err != nil {
		s.T.Fatal(err)
	}
	tool := exec.Command("go", append([]string{"run", onlyPostgres, "github.com/pressly/goose/v3/cmd/goose@" + strings.TrimSpace(string(pin)),
		"-env=none", "-dir", folder}, arguments...)...)
	tool.Env = append(os.Environ(), "GOOSE_DRIVER=postgres", "GOOSE_DBSTRING=application_name=goose", "GOWORK=off",
		"PGHOST="+s.Host, "PGPORT="+s.Port, "PGDATABASE="+s.Name, "PGUSER="+s.User, "PGPASSWORD="+s.Password, "PGSSLMODE=disable")
	output, err := tool.CombinedOutput()
	if err != nil {
		s.T.Fatalf("goose %s: %s\n%s", arguments, err, output)
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
