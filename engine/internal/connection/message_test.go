package connection

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/postgrestest"
)

func TestCopyFromStdinIsRefusedInsteadOfHanging(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := session.ExecContext(ctx, "CREATE TABLE t (a int)"); err != nil {
		t.Fatal(err)
	}
	for name, statement := range map[string]string{
		"alone": "COPY t FROM stdin", "in a block": "SELECT 1; COPY t FROM stdin; SELECT 2", "in another format": "COPY t FROM stdin WITH (FORMAT binary)",
	} {
		for where, execute := range map[string]func() error{
			"outside": func() error { _, err := session.ExecContext(ctx, statement); return err },
			"inside": func() error {
				transaction, err := session.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer transaction.Rollback()
				_, err = transaction.ExecContext(ctx, statement)
				return err
			},
		} {
			err := execute()
			var server *pgconn.PgError
			if !errors.As(err, &server) || server.Code != "0A000" || !strings.Contains(server.Message, "INSERT") {
				t.Errorf("%s, %s a transaction: %v", name, where, err)
			}
		}
	}
	var one int
	if err := session.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		t.Errorf("the session is of no more use: %s", err)
	}
}

func TestALongAnswerIsReadAsItCame(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	var text string
	if err := session.QueryRow("SELECT repeat('G', 3000000)").Scan(&text); err != nil || strings.Trim(text, "G") != "" || len(text) != 3000000 {
		t.Error(len(text), err)
	}
}

func TestAStatementThatEndsItsTransactionIsCaught(t *testing.T) {
	database := postgrestest.New(t)
	for statement, caught := range map[string]bool{
		"COMMIT": true, "ROLLBACK": true, "END": true, "SELECT 1; COMMIT": true, "COMMIT; BEGIN": true, "COMMIT AND CHAIN": true,
		// What hides a COMMIT from whoever reads the text.
		"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; COMMIT": true,
		// What fails afterwards takes nothing of it back.
		"COMMIT; SELECT 1/0": true, "ROLLBACK; SELECT 1/0": true, "COMMIT AND CHAIN; SELECT 1/0": true, "SELECT 1; COMMIT; LOCK TABLE nothing": true,
		"SAVEPOINT s; ROLLBACK TO s": false, "SAVEPOINT s; RELEASE s": false, "SELECT 'COMMIT'": false,
	} {
		for _, settings := range []map[string]string{nil, {"custom.note": "'; COMMIT; '"}} {
			session := observeIn(t, database, settings)
			transaction := session.begin(t, context.Background())
			for _, first := range []string{"DROP TABLE IF EXISTS before; CREATE TABLE before ()", statement} {
				if _, err := transaction.Exec(first); errors.Is(err, ErrEndedTransaction) != (caught && first == statement) || err != nil && !caught {
					t.Errorf("%q: %v", first, err)
				}
			}
			_ = transaction.Rollback()
			if state := session.activity(t, "state"); state != "idle" {
				t.Errorf("%q leaves the session %s", statement, state)
			}
			session.Close()
			for session.activity(t, "state") != "gone" {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}
