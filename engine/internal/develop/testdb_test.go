package develop

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
	"avion.internal/migrate/internal/terminal"
)

// newServiceWithTestdb drops what the tests leave behind, which is owned by the test's own role.
func newServiceWithTestdb(t *testing.T) service {
	t.Helper()
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_a.sql": seedA})
	t.Cleanup(func() {
		for _, name := range testDatabasesOf(s) {
			s.Execute(t, "DROP DATABASE "+sqltext.Name(name)+" WITH (FORCE)")
		}
	})
	return s
}

func testdb(options TestdbOptions) func(*Engine, context.Context) error {
	if options.Keep == "" {
		options.Keep = "1h"
	}
	return func(engine *Engine, ctx context.Context) error { return engine.Testdb(ctx, options) }
}

func testDatabasesOf(s service) []string {
	s.T.Helper()
	names := s.Value(s.T, "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_database WHERE datname <> '"+s.Name+
		"' AND pg_get_userbyid(datdba) = '"+s.User+"'")
	return strings.Fields(names)
}

// asked is the first column of the first row of a query, in the database at an address as another program understands it.
func asked(t *testing.T, address, query string) string {
	t.Helper()
	session, err := pgx.Connect(context.Background(), strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	var value any
	if err := session.QueryRow(context.Background(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(value)
}

func TestATestGetsADatabaseOfItsOwnFromATemplateThatIsMadeOnce(t *testing.T) {
	s := newServiceWithTestdb(t)
	first, _ := s.Must(testdb(TestdbOptions{}))
	second, _ := s.Must(testdb(TestdbOptions{}))
	if asked(t, first, "INSERT INTO a VALUES (2) RETURNING id") != "2" || asked(t, second, "SELECT count(*) FROM a") != "0" {
		t.Error("what one test writes is in the database of another")
	}
	if got := asked(t, first, "SELECT string_agg(version_id::text, ' ' ORDER BY id) FROM goose_db_version"); got != "0 1" {
		t.Error(got)
	}
	if left := testDatabasesOf(s); len(left) != 3 {
		t.Error("not two copies of one template: ", left)
	}
	seeded, _ := s.Must(testdb(TestdbOptions{Seed: true}))
	if got := asked(t, seeded, "SELECT count(*) FROM a"); got != "1" {
		t.Error(got)
	}
	s.Write("migrations/00002_b.sql", createB)
	changed, _ := s.Must(testdb(TestdbOptions{}))
	if got := asked(t, changed, "SELECT to_regclass('b') IS NOT NULL"); got != "true" {
		t.Error("the template is not that of the files")
	}
	if s.HasTable("a") {
		t.Error("the service's own database was touched")
	}
}

func TestATestDatabaseIsRefusedWhereDataCounts(t *testing.T) {
	s := newServiceWithTestdb(t)
	s.Refuses(testdb(TestdbOptions{Keep: "0s"}), failure.CodeRefused, `--keep is "0s"`, "30m")
	s.Refuses(testdb(TestdbOptions{Keep: "25h"}), failure.CodeRefused, `--keep is "25h"`)
	for _, environment := range []string{"staging", "production"} {
		t.Setenv("ENVIRONMENT", environment)
		t.Setenv("DB_SSL_MODE", "")
		s.Refuses(testdb(TestdbOptions{}), failure.CodeRefused)
	}
	t.Setenv("ENVIRONMENT", "test")
	s.Write(".goose.yml", "driver: postgres\nlock: table\n")
	s.Refuses(testdb(TestdbOptions{}), failure.CodeRefused, "pooler")
	s.Write(".goose.yml", "driver: postgres\n")
	s.Execute(t, "ALTER ROLE "+s.User+" NOCREATEDB")
	s.Refuses(testdb(TestdbOptions{}), failure.CodeRefused, "CREATEDB")
	if left := testDatabasesOf(s); len(left) != 0 {
		t.Error(left)
	}
}

func TestWhatCannotBeMigratedLeavesNothing(t *testing.T) {
	s := newServiceWithTestdb(t)
	s.Write("migrations/00002_b.sql", "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n")
	s.Refuses(testdb(TestdbOptions{}), failure.CodeMigrationFailed, "00002_b.sql")
	if left := testDatabasesOf(s); len(left) != 0 {
		t.Error(left)
	}
}

func TestThePasswordIsPrintedOnlyWhereTheAddressHeldIt(t *testing.T) {
	s := newServiceWithTestdb(t)
	address, _ := s.Must(testdb(TestdbOptions{})) // Must fails where the password is printed
	if !strings.Contains(address, "passfile=") {
		t.Error(address)
	}
	t.Setenv("DB_URL", s.Address("application_name=my%20tests"))
	for _, name := range []string{"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"} {
		t.Setenv(name, "")
	}
	address, _, err := s.Do(testdb(TestdbOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := parsed.User.Password(); password != s.Password || strings.Contains(address, "passfile") {
		t.Error(address)
	}
	if got := asked(t, address, "SELECT current_setting('application_name')"); got != "my tests" {
		t.Error(got)
	}
}

func TestADatabaseGoesWithWhoeverAskedForIt(t *testing.T) {
	s := newServiceWithTestdb(t)
	input, end := io.Pipe()
	output, printed := io.Pipe()
	engine, err := New(terminal.Terminal{In: input, Out: printed, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- engine.Testdb(context.Background(), TestdbOptions{Wait: true, Keep: "1h"}) }()
	address := make([]byte, 1024)
	count, err := output.Read(address)
	if err != nil {
		t.Fatal(err)
	}
	// An application that is still connected does not keep it.
	session, err := pgx.Connect(context.Background(), strings.TrimSpace(string(address[:count])))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	if left := testDatabasesOf(s); len(left) != 2 {
		t.Error(left)
	}
	end.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left := testDatabasesOf(s); len(left) != 1 || !templateName.MatchString(left[0]) {
		t.Error(left)
	}
}

func TestWhatNobodyDroppedGoesWithItsTime(t *testing.T) {
	s := newServiceWithTestdb(t)
	old, _ := s.Must(testdb(TestdbOptions{Keep: "5s"}))
	used, _ := s.Must(testdb(TestdbOptions{Keep: "5s"}))
	session, err := pgx.Connect(context.Background(), strings.TrimSpace(used))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	time.Sleep(6 * time.Second)
	s.Must(testdb(TestdbOptions{}))
	left := strings.Join(testDatabasesOf(s), " ")
	for address, stays := range map[string]bool{old: false, used: true} {
		parsed, _ := url.Parse(strings.TrimSpace(address))
		if strings.Contains(left, parsed.Path[1:]) != stays {
			t.Errorf("%s stays: %t, of %s", parsed.Path, !stays, left)
		}
	}
}

func TestOnlyADatabaseOfThisKindExpires(t *testing.T) {
	now := time.Unix(1800000000, 0)
	for name, want := range map[string]bool{
		"auth_testdb_1799999999_abcdefgh":         true,
		"auth_testdb_1800000001_abcdefgh":         false,
		"auth_testdb_1799999999_abcdefgh_mine":    false,
		"auth_testdb_1799999999":                  false,
		"auth_testdb_results":                     false,
		"auth_testdb_template_0123456789abcdef":   true,
		"auth_testdb_template_0123456789abcdef_2": false,
	} {
		if got := expired(name, "1799999999", now); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if expired("auth_testdb_template_0123456789abcdef", "somebody's own words", now) {
		t.Error("a comment that says no time")
	}
}

func TestANameIsNeverLongerThanTheServerTakes(t *testing.T) {
	databases := testDatabases{target: connection.Target{Database: strings.Repeat("x", 63)}, keep: time.Hour}
	if name := databases.newName(); len(name) > sqltext.LongestName || !copyName.MatchString(name) {
		t.Error(name)
	}
}
