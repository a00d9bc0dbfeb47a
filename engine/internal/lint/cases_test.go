package lint

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/rules"
	"avion.internal/migrate/internal/tablelock"
	"avion.internal/migrate/internal/trace"
)

// lintCase is one of testdata/cases.sql: a comment that says what is expected, and the Up section of a migration.
type lintCase struct {
	name          string
	rule          string // a pattern, empty where the case is safe
	noTransaction bool
	sql           string
}

func readCases(t *testing.T) []lintCase {
	t.Helper()
	content, err := os.ReadFile("testdata/cases.sql")
	if err != nil {
		t.Fatal(err)
	}
	var cases []lintCase
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n\n") {
		head, sql, _ := strings.Cut(paragraph, "\n")
		words := strings.Fields(strings.TrimPrefix(head, "-- "))
		read := lintCase{name: strings.Join(strings.Fields(sql), " "), sql: sql, noTransaction: strings.HasSuffix(head, " NO TRANSACTION")}
		if words[0] == "unsafe" {
			read.rule = words[1]
		}
		cases = append(cases, read)
	}
	return cases
}

// content is the case as goose runs it; blocks whose lines end in semicolons stand between their lines.
func (c lintCase) content() string {
	head, body := "", ""
	if c.noTransaction {
		head = "-- +goose NO TRANSACTION\n"
	}
	inside := false
	for line := range strings.SplitSeq(c.sql, "\n") {
		if strings.Contains(line, "$$") && !inside && strings.Count(line, "$$") == 1 {
			body += "-- +goose StatementBegin\n"
			inside = true
		}
		body += line + "\n"
		if inside && strings.HasPrefix(line, "END $$;") {
			body += "-- +goose StatementEnd\n"
			inside = false
		}
	}
	return head + "-- +goose Up\n" + body + "-- +goose Down\nSELECT 1;\n"
}

// standingBase is a database with testdata/standing.sql.
func standingBase(t *testing.T) (postgrestest.Database, *trace.Server, *trace.Base) {
	t.Helper()
	database := postgrestest.New(t)
	server, err := trace.Open(context.Background(), sessions(database), database.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	standing, err := os.ReadFile("testdata/standing.sql")
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Base(context.Background(), []trace.File{{Name: "standing", Statements: []migration.Statement{{Line: 1, Text: string(standing)}}}})
	if err != nil || len(base.Missing) > 0 {
		t.Fatal(err, base.Missing)
	}
	return database, server, base
}

func sessions(database postgrestest.Database) trace.Dial {
	return func(ctx context.Context, name string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Sscan(database.Port, &config.Port); err != nil {
			return nil, err
		}
		config.Host, config.User, config.Password, config.Database = database.Host, database.User, database.Password, name
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		change(config)
		return pgx.ConnectConfig(ctx, config)
	}
}

// Each case is traced on a real server; what is told of it is what was expected, and its locks are those that another
// session sees itself take when it runs the same.
func TestTheCasesAreJudgedAndMeasuredRight(t *testing.T) {
	path, err := exec.LookPath("squawk")
	if err != nil {
		t.Skip("squawk is not on the PATH")
	}
	database, server, base := standingBase(t)
	reference, err := server.Copy(context.Background(), base)
	if err != nil {
		t.Fatal(err)
	}
	session, err := sessions(database)(context.Background(), reference, func(*pgx.ConnConfig) {})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	compared := 0
	for _, each := range readCases(t) {
		read := source(t, each.content())
		measure := base.TraceApart
		if each.noTransaction {
			measure = base.Trace
		}
		traced, err := measure(context.Background(), []trace.File{{Name: "case", NoTransaction: each.noTransaction, Statements: read.Statements}})
		if err != nil {
			t.Fatal(each.name, err)
		}
		statements := traced[0].Statements
		review, err := Squawk{path}.Lint(context.Background(), read, statements)
		if err != nil {
			t.Fatal(each.name, err)
		}
		expectFindings(t, each, review.Findings)
		textOnly, err := Squawk{path}.Lint(context.Background(), read, nil)
		if err != nil {
			t.Fatal(each.name, err)
		}
		if each.rule == "" && !strings.Contains(each.name, "filled") && !strings.Contains(each.name, "parts_3") && !strings.Contains(each.name, "ALTER COLUMN name TYPE") && !strings.Contains(each.name, "ALTER t TYPE") {
			expectFindings(t, each, textOnly.Findings)
		}
		if each.noTransaction || slices.ContainsFunc(statements, func(s trace.Statement) bool { return !s.Measured() }) {
			continue
		}
		want, err := takenBy(t, session, read.Statements)
		if err != nil { // a role that is not there, whose place another one took
			continue
		}
		compared++
		if got := strongest(statements); !maps.Equal(want, got) {
			t.Errorf("%s\nis measured to take %v, and takes %v", each.name, got, want)
		}
		compareExpectation(t, each, review, textOnly, statements)
	}
	if compared < 200 {
		t.Errorf("the locks of %d cases were compared", compared)
	}
}

func expectFindings(t *testing.T, each lintCase, findings []Finding) {
	t.Helper()
	if each.rule == "" {
		if len(findings) > 0 {
			t.Errorf("%s\nis safe, and there is an objection: %s", each.name, Text(findings[0]))
		}
		return
	}
	wanted := regexp.MustCompile("^(?:" + each.rule + ")$")
	if !slices.ContainsFunc(findings, func(f Finding) bool { return wanted.MatchString(f.Rule) }) {
		t.Errorf("%s\nis unsafe by %s, and what is told is %v", each.name, each.rule, findings)
	}
}

// takenBy runs statements in a transaction of another session and asks pg_locks, by name, what it has of what was there.
func takenBy(t *testing.T, session *pgx.Conn, statements []migration.Statement) (map[string]tablelock.Mode, error) {
	t.Helper()
	transaction, err := session.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer transaction.Rollback(context.Background())
	there := map[uint32]string{}
	rows, err := transaction.Query(context.Background(), "SELECT oid, oid::regclass::text FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'other'::regnamespace) AND relkind <> 'c'")
	if err != nil {
		t.Fatal(err)
	}
	var oid uint32
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &name}, func() error { there[oid] = name; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := transaction.Exec(context.Background(), statement.Text, pgx.QueryExecModeSimpleProtocol); err != nil {
			return nil, err
		}
	}
	taken := map[string]tablelock.Mode{}
	rows, err = transaction.Query(context.Background(), "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		if mode, counts := tablelock.Stored(name); counts && there[oid] != "" && mode.StrongerThan(taken[there[oid]]) {
			taken[there[oid]] = mode
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return taken, nil
}

func strongest(statements []trace.Statement) map[string]tablelock.Mode {
	taken := map[string]tablelock.Mode{}
	for _, statement := range statements {
		for _, lock := range statement.Locks {
			if lock.Mode.StrongerThan(taken[lock.Name]) && lock.Kind != "c" {
				taken[lock.Name] = lock.Mode
			}
		}
	}
	return taken
}

// compareExpectation holds what is expected of a text, where nothing is said to be unknown, to what was measured.
func compareExpectation(t *testing.T, each lintCase, review, textOnly Review, statements []trace.Statement) {
	t.Helper()
	if len(statements) != 1 {
		return
	}
	want, _ := review.Verdict.Locks(0)
	got, unknown := textOnly.Verdict.Locks(0)
	if unknown != "" || slices.ContainsFunc(got, func(l rules.HeldLock) bool { return l.OfIndex }) {
		return
	}
	describe := func(all []rules.HeldLock) map[string]tablelock.Mode {
		found := map[string]tablelock.Mode{}
		for _, lock := range all {
			found[lock.Relation] = lock.Mode
		}
		return found
	}
	for name, mode := range describe(got) {
		if describe(want)[strings.TrimPrefix(name, "public.")] != mode {
			t.Errorf("%s\nis expected to take %v, and takes %v", each.name, describe(got), describe(want))
			return
		}
	}
}
