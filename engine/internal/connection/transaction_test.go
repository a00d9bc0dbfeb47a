package connection

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/postgrestest"
)

// observed is a session that the superuser of its database can watch.
type observed struct {
	*sql.DB
	database postgrestest.Database
}

func observe(t *testing.T, settings map[string]string) observed {
	t.Helper()
	return observeIn(t, postgrestest.New(t), settings)
}

func observeIn(t *testing.T, database postgrestest.Database, settings map[string]string) observed {
	t.Helper()
	target, err := access(database).resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	target.local = settings
	return observed{target.opened(t), database}
}

// activity is what the server says of the session: nothing once it is gone.
func (o observed) activity(t *testing.T, column string) string {
	t.Helper()
	return o.database.Value(t, fmt.Sprintf(
		"SELECT coalesce((SELECT %s::text FROM pg_stat_activity WHERE usename = '%s'), 'gone')", column, o.database.User))
}

func (o observed) begin(t *testing.T, ctx context.Context) *sql.Tx {
	t.Helper()
	transaction, err := o.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return transaction
}

func TestAnErrorOfTheFirstStatementIsWhereItStandsInTheStatement(t *testing.T) {
	for name, settings := range map[string]map[string]string{"alone": nil, "behind a pooler": {"custom.note": "ä"}} {
		session := observe(t, settings)
		for statement, position := range map[string]int32{
			"SELCT 1": 1, "SELECT 'ä',\n  nowhere": 15, "SELECT 1;\nSELECT 2 FROM nowhere": 25, "SELECT 1/0": 0,
		} {
			transaction := session.begin(t, context.Background())
			_, err := transaction.Exec(statement)
			var server *pgconn.PgError
			if !errors.As(err, &server) {
				t.Fatalf("%s: %q: %v", name, statement, err)
			}
			if server.Position != position {
				t.Errorf("%s: %q: %v at %d", name, statement, err, server.Position)
			}
			if err := transaction.Rollback(); err != nil {
				t.Errorf("%s: %q: %s", name, statement, err)
			}
			if state := session.activity(t, "state"); state != "idle" {
				t.Errorf("%s: %q leaves the session %s", name, statement, state)
			}
		}
		if _, err := session.Exec("CREATE TABLE afterwards ()"); err != nil {
			t.Errorf("%s: %s", name, err)
		}
	}
}

func TestALaterErrorIsWhereItStandsInTheStatement(t *testing.T) {
	transaction := observe(t, nil).begin(t, context.Background())
	defer transaction.Rollback()
	_, first := transaction.Exec("SAVEPOINT s")
	_, err := transaction.Exec("SELECT nowhere")
	var server *pgconn.PgError
	if first != nil || !errors.As(err, &server) || server.Position != 8 {
		t.Errorf("%v, %+v", first, err)
	}
}

func TestACancelledFirstStatementLeavesNoTransaction(t *testing.T) {
	session := observe(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	transaction := session.begin(t, ctx)
	if _, err := transaction.ExecContext(ctx, "CREATE TABLE half (); SELECT pg_sleep(60)"); err == nil {
		t.Error("it was not cancelled")
	}
	_ = transaction.Rollback()
	for deadline := time.Now().Add(10 * time.Second); session.activity(t, "state") != "gone"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(session.activity(t, "concat_ws(' ', state, query)"))
		}
	}
	if there := session.database.Value(t, "SELECT to_regclass('half') IS NOT NULL"); there != "false" {
		t.Error("half of it stays")
	}
}

func TestATransactionThatIsCancelledBetweenItsStatementsIsUndone(t *testing.T) {
	session := observe(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	transaction := session.begin(t, ctx)
	if _, err := transaction.ExecContext(ctx, "CREATE TABLE half ()"); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = transaction.Rollback()
	for deadline := time.Now().Add(10 * time.Second); session.activity(t, "state") != "gone"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(session.activity(t, "concat_ws(' ', state, query)"))
		}
	}
}

func TestATransactionWithoutAStatementSendsNothing(t *testing.T) {
	session := observe(t, nil)
	if _, err := session.Exec("SELECT 'before'"); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		if err := end(session.begin(t, context.Background())); err != nil {
			t.Error(err)
		}
	}
	// The pool asks now and then whether the session is still there.
	if query := session.activity(t, "query"); query != "SELECT 'before'" && query != "-- ping" {
		t.Error(query)
	}
}

func TestWhateverComesFirstIsPartOfTheTransaction(t *testing.T) {
	for name, first := range map[string]func(*sql.Tx) error{
		"a statement": func(tx *sql.Tx) error {
			_, err := tx.Exec("CREATE TABLE a ()")
			return err
		},
		"a statement with an argument": func(tx *sql.Tx) error {
			_, err := tx.Exec("SELECT $1::text", "x")
			return err
		},
		"a query": func(tx *sql.Tx) error { return tx.QueryRow("SELECT 1").Scan(new(int)) },
		"a prepared statement": func(tx *sql.Tx) error {
			prepared, err := tx.Prepare("SELECT 1")
			if err == nil {
				defer prepared.Close()
			}
			return err
		},
	} {
		session := observe(t, nil)
		transaction := session.begin(t, context.Background())
		if err := first(transaction); err != nil {
			t.Errorf("%s: %s", name, err)
		}
		if state := session.activity(t, "state"); state != "idle in transaction" {
			t.Errorf("%s leaves the session %s", name, state)
		}
		if err := transaction.Rollback(); err != nil || session.activity(t, "state") != "idle" {
			t.Errorf("%s: %v, and the session is %s", name, err, session.activity(t, "state"))
		}
	}
}

func TestALastStatementMayBeTheFirst(t *testing.T) {
	session := observe(t, map[string]string{"custom.note": "it's"})
	ctx := context.Background()
	if _, err := session.Exec("CREATE TABLE t (note text)"); err != nil {
		t.Fatal(err)
	}
	transaction := session.begin(t, ctx)
	if _, err := transaction.ExecContext(Last(ctx, "SELECT 1"), "INSERT INTO t VALUES (current_setting('custom.note') || $1)", "!"); err != nil {
		t.Fatal(err)
	}
	if err := transaction.Commit(); err != nil {
		t.Fatal(err)
	}
	if note, state := session.database.Value(t, "SELECT note FROM t"), session.activity(t, "state"); note != "it's!" || state != "idle" {
		t.Error(note, state)
	}
}

func TestAFailedTransactionIsNotCommitted(t *testing.T) {
	session := observe(t, nil)
	transaction := session.begin(t, context.Background())
	if _, err := transaction.Exec("CREATE TABLE half (); SELECT 1/0"); err == nil {
		t.Fatal("1/0")
	}
	if err := transaction.Commit(); !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Error(err)
	}
	if state := session.activity(t, "state"); state != "idle" {
		t.Error(state)
	}
}

func TestATransactionOnlyReadsIfItSaysSo(t *testing.T) {
	session := observe(t, nil)
	ctx := context.Background()
	transaction, err := session.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transaction.Exec("CREATE TABLE t ()"); err == nil {
		t.Error("it writes")
	}
	if err := transaction.Rollback(); err != nil {
		t.Error(err)
	}
	if _, err := session.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}); err == nil {
		t.Error("it has another isolation than it was asked for")
	}
}
