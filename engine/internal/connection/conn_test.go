package connection

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"avion.internal/migrate/internal/postgrestest"
)

// opened is a database as its owner reaches it, and a session there.
func opened(t *testing.T, database postgrestest.Database) (Target, *sql.DB) {
	t.Helper()
	target, err := access(database).resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	return target, target.opened(t)
}

// opened is a session that ends with the test.
func (t Target) opened(test *testing.T) *sql.DB {
	test.Helper()
	session, err := t.Open(context.Background(), test.Logf)
	if err != nil {
		test.Fatal(err)
	}
	test.Cleanup(func() { session.Close() })
	return session
}

// finish runs statements in a transaction, the last of them with its COMMIT, and says what the table t holds then.
func finish(t *testing.T, session *sql.DB, last string, statements ...string) (rows int, err error) {
	t.Helper()
	ctx := context.Background()
	transaction, err := session.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := transaction.ExecContext(Last(ctx, "RESET ALL"), last, "it's \\ 1"); err != nil {
		t.Fatal("it is sent before its time", err)
	}
	err = transaction.Commit()
	if err := session.QueryRow("SELECT count(*) FROM t").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows, err
}

func TestTheLastStatementAndItsCommitAreOne(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	if _, err := session.Exec("CREATE TABLE t (word text, CONSTRAINT once UNIQUE (word) DEFERRABLE INITIALLY DEFERRED)"); err != nil {
		t.Fatal(err)
	}
	const insert = "INSERT INTO t VALUES ($1::text)"
	for _, c := range []struct {
		name, last, first, refusal string
		rows                       int
	}{
		{"both hold", insert, "INSERT INTO t VALUES ('first')", "", 2},
		{"with settings that forbid one message", insert, "SET standard_conforming_strings = off; TRUNCATE t", "", 1},
		{"the statement fails", "INSERT INTO nowhere VALUES ($1)", "TRUNCATE t", "42P01", 1},
		{"the commit fails", insert, "INSERT INTO t VALUES ('second')", "23505", 1},
	} {
		rows, err := finish(t, session, c.last, c.first)
		if rows != c.rows || (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: %d rows, %v", c.name, rows, err)
		}
	}
	var word, strings string
	if err := session.QueryRow("SELECT word, current_setting('standard_conforming_strings') FROM t").Scan(&word, &strings); err != nil {
		t.Fatal(err)
	}
	if word != "it's \\ 1" || strings != "on" {
		t.Error(word, strings)
	}
}

func TestALastStatementOutsideOfATransactionIsSentAtOnce(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	if _, err := session.Exec("CREATE TABLE t (word text); SET standard_conforming_strings = off"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := session.ExecContext(Last(context.Background(), "RESET ALL"), "INSERT INTO t VALUES ($1::text)", `\`); err != nil {
			t.Fatal(err)
		}
	}
	var rows int
	if err := session.QueryRow(`SELECT count(*) FROM t WHERE word = '\'`).Scan(&rows); err != nil || rows != 2 {
		t.Error(rows, err)
	}
}

func TestARollbackForgetsTheLastStatement(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	ctx := context.Background()
	transaction, err := session.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transaction.ExecContext(Last(ctx, "RESET ALL"), "CREATE TABLE t ()"); err != nil {
		t.Fatal(err)
	}
	if err := transaction.Rollback(); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := session.QueryRow("SELECT to_regclass('t') IS NOT NULL").Scan(&there); err != nil || there {
		t.Error(there, err)
	}
}
