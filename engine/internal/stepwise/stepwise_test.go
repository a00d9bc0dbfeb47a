package stepwise

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/postgrestest"
)

const table = "goose_db_version"

// bench is a database in which a section is brought to its end, by as many runs as it takes.
type bench struct {
	postgrestest.Database
	t      *testing.T
	target connection.Target
	limits connection.Limits
	said   *strings.Builder
}

func newBench(t *testing.T) bench {
	t.Helper()
	database := postgrestest.New(t)
	settings := config.NewSettings([]string{
		"ENVIRONMENT=test", "DB_HOST=" + database.Host, "DB_PORT=" + database.Port, "DB_NAME=" + database.Name,
		"DB_USER=" + database.User, "DB_PASSWORD=" + database.Password, "MIGRATION_TIMEOUT=60",
	}, nil)
	target, err := connection.Resolve(settings, config.Project{Service: "avion-auth"})
	if err != nil {
		t.Fatal(err)
	}
	return bench{Database: database, t: t, target: target, said: &strings.Builder{}}
}

func (b bench) open() *sql.DB {
	b.t.Helper()
	session, err := b.target.Open(context.Background(), b.t.Logf)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { session.Close() })
	return session
}

func (b bench) runner(session *sql.DB, statements ...string) *Runner {
	var all []migration.Statement
	for line, text := range statements {
		all = append(all, migration.Statement{Line: line + 1, Text: text})
	}
	return &Runner{
		Session: session, Table: table, Section: history.Section{Version: 7}, File: "migrations/00007_a.sql", Statements: all,
		Limit: func(ctx context.Context, patient bool) context.Context {
			limits := b.limits
			limits.Patient = patient
			return b.target.WithLimits(ctx, limits, nil)
		},
		Say: func(format string, values ...any) { fmt.Fprintf(b.said, format+"\n", values...) },
	}
}

// run is one run of a section, as far as it comes.
func (b bench) run(statements ...string) error {
	session := b.open()
	defer session.Close()
	return b.runner(session, statements...).Run(context.Background())
}

func (b bench) must(statements ...string) {
	b.t.Helper()
	if err := b.run(statements...); err != nil {
		b.t.Fatal(err)
	}
}

func (b bench) expect(query, want string) {
	b.t.Helper()
	if got := b.Value(b.t, query); got != want {
		b.t.Errorf("%s: %s, not %s", query, got, want)
	}
}

// asOwner runs SQL with the rights of the role that migrates.
func (b bench) asOwner(statement string) {
	b.t.Helper()
	session := b.open()
	defer session.Close()
	if _, err := session.Exec(statement); err != nil {
		b.t.Fatalf("%s: %s", statement, err)
	}
}

func TestNothingRunsTwiceAfterAFailureFurtherDown(t *testing.T) {
	for name, statement := range map[string]string{
		"an update":           "UPDATE t SET n = n + 10",
		"a function":          "SELECT add(10)",
		"an upsert":           "INSERT INTO t VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 10",
		"a block":             "DO $$ BEGIN UPDATE t SET n = n + 10; END $$",
		"several in a block":  "UPDATE t SET n = n + 5; UPDATE t SET n = n + 5",
		"a procedure":         "CALL plus(10)",
		"a query that writes": "WITH u AS (UPDATE t SET n = n + 10 RETURNING n) SELECT count(*) FROM u",
		"merge":               "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = n + 10",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.asOwner("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0); " +
				"CREATE FUNCTION add(int) RETURNS void LANGUAGE sql AS 'UPDATE t SET n = n + $1'; " +
				"CREATE PROCEDURE plus(a int) LANGUAGE sql AS 'UPDATE t SET n = n + a'")
			var stopped *Stopped
			if err := b.run(statement, "CREATE INDEX CONCURRENTLY t_n ON t (nothing)"); !errors.As(err, &stopped) || stopped.Done != 1 || stopped.Line != 2 || !stopped.Outside {
				t.Fatalf("%+v", err)
			}
			b.must(statement, "CREATE INDEX CONCURRENTLY t_n ON t (n)")
			b.must(statement, "CREATE INDEX CONCURRENTLY t_n ON t (n)")
			b.expect("SELECT n FROM t", "10")
			b.expect("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass", "true")
		})
	}
}

func TestAStatementThatFailsInATransactionLeavesNothing(t *testing.T) {
	b := newBench(t)
	var stopped *Stopped
	if err := b.run("CREATE TABLE t (id int)", "CREATE TABLE u (); INSERT INTO t VALUES (1); SELECT 1/0"); !errors.As(err, &stopped) || stopped.Outside ||
		!strings.Contains(stopped.Stays(), "the statement before it stays") {
		t.Fatalf("%+v", err)
	}
	b.expect("SELECT to_regclass('u') IS NULL AND count(*) = 0 FROM t", "true")
	b.must("CREATE TABLE t (id int)", "CREATE TABLE u ()")
}

func TestWhatASessionNeedsIsSaidToTheNextOneToo(t *testing.T) {
	b := newBench(t)
	other := b.User + "_x"
	b.Execute(t, fmt.Sprintf("CREATE ROLE %s; GRANT %s TO %s; CREATE SCHEMA app AUTHORIZATION %s", other, other, b.User, other))
	t.Cleanup(func() { b.Execute(t, "DROP OWNED BY "+other+"; DROP ROLE "+other) })
	statements := []string{
		"SET search_path = app", "SET ROLE " + other, "SELECT set_config('custom.note', 'x', false)", "CREATE TABLE t (n int)", "SELECT 1/0",
	}
	if err := b.run(statements...); err == nil {
		t.Fatal("1/0")
	}
	statements[4] = "INSERT INTO t SELECT 1 WHERE current_setting('custom.note') = 'x'"
	b.must(statements...)
	b.expect("SELECT count(*) FROM app.t", "1")
	b.expect("SELECT string_agg(position::text, ' ' ORDER BY position) FROM public.goose_db_version_statement", "3 4")
}

func TestAFileIsHeldToWhatHasRunOfIt(t *testing.T) {
	b := newBench(t)
	if err := b.run("CREATE TABLE t (id int)", "SELECT 1/0"); err == nil {
		t.Fatal("1/0")
	}
	for _, edited := range [][]string{{"CREATE TABLE u (id int)", "SELECT 1"}, {}, {"SELECT 1", "CREATE TABLE t (id int)"}} {
		if err := b.run(edited...); failure.CodeOf(err) != failure.CodeHistoryMismatch || !strings.Contains(err.Error(), "statement 1") {
			t.Errorf("%v: %v", edited, err)
		}
	}
	b.must("CREATE TABLE t (id int)", "SELECT 2")
}

func TestWhatCommitsByItselfHasAFileOfItsOwnAndIsNotRepeatedUnseen(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE t (n int); CREATE PROCEDURE twice(fails boolean) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; " +
		"IF fails THEN RAISE 'in the middle'; END IF; INSERT INTO t VALUES (2); END $$")
	if err := b.run("CALL twice(false)", "SELECT 1"); failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "a file of its own") {
		t.Fatal(err)
	}
	b.expect("SELECT count(*) FROM t", "0")
	for range 2 {
		b.must("CALL twice(false)")
	}
	b.expect("SELECT count(*) FROM t", "2")
	b.Execute(t, "TRUNCATE t, goose_db_version_statement")
	if err := b.run("CALL twice(true)"); err == nil || !strings.Contains(err.Error(), "in the middle") {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.run("CALL twice(true)"); failure.CodeOf(err) != failure.CodeMigrationFailed || !strings.Contains(err.Error(), "left to do") {
			t.Fatal(err)
		}
	}
	b.expect("SELECT count(*) FROM t", "1")
	b.must("INSERT INTO t VALUES (2)")
	b.expect("SELECT count(*) FROM t", "2")
}

func TestAHiddenCommitIsNotRunAgain(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE t (n int)")
	hidden := "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; INSERT INTO t VALUES (1); COMMIT"
	for range 2 {
		if err := b.run(hidden); err == nil {
			t.Fatal("it passed")
		}
	}
	b.expect("SELECT count(*) FROM t", "1")
}

func TestADetachThatWasEndedIsFinished(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)")
	// A transaction that has read the parent makes the detach wait after its first half.
	reader := b.open()
	reading, err := reader.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec("SELECT * FROM p"); err != nil {
		t.Fatal(err)
	}
	limit := 500 * time.Millisecond
	b.limits = connection.Limits{Statement: &limit}
	const detach = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"
	if err := b.run("CREATE TABLE before ()", detach); err == nil {
		t.Fatal("it did not wait")
	}
	b.expect("SELECT count(*) FROM pg_inherits WHERE inhdetachpending", "1")
	if err := reading.Commit(); err != nil {
		t.Fatal(err)
	}
	b.limits = connection.Limits{}
	b.must("CREATE TABLE before ()", detach)
	b.expect("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass", "1")
	b.expect("SELECT count(*) FROM pg_inherits WHERE inhdetachpending", "0")
	if !strings.Contains(b.said.String(), "p1 was being detached from p") {
		t.Error(b.said)
	}
}

func TestAConcurrentStatementWaitsLongerThanALockMayTake(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE t (n int); CREATE INDEX t_n ON t (n)")
	reader := b.open()
	reading, err := reader.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec("SELECT * FROM t"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*time.Second, func() { _ = reading.Commit() })
	b.must("REINDEX (CONCURRENTLY) TABLE t")
	b.expect("SELECT count(*) FROM pg_index WHERE NOT indisvalid", "0")
}

func TestWhatAnAttemptLeavesIsClearedAwayByTheNextOne(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE t (n int, m text); INSERT INTO t VALUES (1), (1); CREATE INDEX t_m ON t (m); " +
		"CREATE TABLE others (n int); INSERT INTO others VALUES (1), (1)")
	// Of another attempt, of which this run knows nothing.
	session := b.open()
	if _, err := session.Exec("CREATE UNIQUE INDEX CONCURRENTLY others_n ON others (n)"); err == nil {
		t.Fatal("it is not unique")
	}
	session.Close()
	for _, statement := range []string{"CREATE UNIQUE INDEX CONCURRENTLY t_n ON t (n)", "CREATE UNIQUE INDEX CONCURRENTLY t_n ON t (n)"} {
		if err := b.run(statement); err == nil {
			t.Fatal("it is not unique")
		}
		b.expect("SELECT count(*) FROM pg_index WHERE NOT indisvalid", "2")
	}
	b.asOwner("DELETE FROM t WHERE ctid = '(0,1)'")
	b.must("CREATE UNIQUE INDEX CONCURRENTLY t_n ON t (n)")
	b.expect("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass", "true")
	b.expect("SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE NOT indisvalid", "others_n")
}

// mixed is a file of both kinds of statements; each row of log was written by one that must run once.
var mixed = []string{
	"SET search_path = public",
	"INSERT INTO log VALUES (1)",
	"CREATE INDEX CONCURRENTLY big_n ON big (n)",
	"INSERT INTO log SELECT 2",
	"REINDEX (CONCURRENTLY) TABLE big",
	"ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
	"UPDATE big SET m = m + 1 WHERE n < 100",
	"VACUUM big",
	"DROP INDEX CONCURRENTLY big_old",
	"DO $$ BEGIN INSERT INTO log VALUES (3); END $$",
	"CREATE UNIQUE INDEX CONCURRENTLY big_id ON big (id)",
}

// Rounds of TestNothingRunsTwiceHoweverOftenTheRunIsKilled; the soak asks for more.
func rounds() int {
	var number int
	if _, err := fmt.Sscan(os.Getenv("MIGRATE_TEST_KILLS"), &number); err == nil {
		return number
	}
	return 15
}

func TestNothingRunsTwiceHoweverOftenTheRunIsKilled(t *testing.T) {
	b := newBench(t)
	b.asOwner("CREATE TABLE big (id int, n int, m int)")
	kills := 0
	for kills < rounds() {
		b.asOwner("DROP TABLE IF EXISTS big, log, p, p1, goose_db_version_statement; CREATE TABLE log (n int); CREATE TABLE big (id int, n int, m int); " +
			"INSERT INTO big SELECT i, i, 0 FROM generate_series(1, 20000) i; CREATE INDEX big_old ON big (m); " +
			"CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)")
		for ended := false; !ended; {
			session := b.open()
			pid := new(string)
			if err := session.QueryRow("SELECT pg_backend_pid()").Scan(pid); err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			go func() { over <- b.runner(session, mixed...).Run(context.Background()) }()
			select {
			case err := <-over:
				if err != nil {
					t.Fatal(err)
				}
				ended = true
			case <-time.After(time.Duration(rand.Int64N(int64(60 * time.Millisecond)))):
				b.Execute(t, "SELECT pg_terminate_backend("+*pid+")")
				kills++
				if err := <-over; err != nil && !connection.Lost(err) {
					t.Fatalf("%v", err)
				} else if err == nil {
					ended = true
				}
			}
			session.Close()
		}
		b.expect("SELECT string_agg(n::text, ' ' ORDER BY n) FROM log", "1 2 3")
		b.expect("SELECT concat_ws(' ', max(m), count(*)) FROM big WHERE m > 0", "1 99")
		b.expect("SELECT count(*) FROM pg_index WHERE NOT indisvalid", "0")
		b.expect("SELECT count(*) FROM pg_inherits", "0")
		b.expect("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'big'::regclass", "big_id big_n")
	}
	t.Logf("%d kills", kills)
}
