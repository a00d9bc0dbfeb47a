package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/sqlstate"
)

func TestASessionIsWhatItWasAskedToBe(t *testing.T) {
	database := postgrestest.New(t)
	// What the role says of every session of its own.
	for _, setting := range []string{"idle_session_timeout = '1s'", "lock_timeout = 0", "statement_timeout = 0", "client_encoding = 'LATIN1'",
		"idle_in_transaction_session_timeout = 0", `"custom.environment" = 'production'`} {
		database.Execute(t, fmt.Sprintf("ALTER ROLE %s SET %s", database.User, setting))
	}
	if database.Value(t, "SELECT current_setting('server_version_num')::int >= 170000") == "true" {
		database.Execute(t, fmt.Sprintf("ALTER ROLE %s SET transaction_timeout = '500ms'", database.User))
	}
	_, session := opened(t, database)
	for name, want := range map[string]string{
		"lock_timeout": "3s", "statement_timeout": "5min", "idle_in_transaction_session_timeout": "1min", "idle_session_timeout": "0", "transaction_timeout": "0",
		"client_encoding": "UTF8", "client_connection_check_interval": "2s", "custom.environment": "test",
	} {
		var got string
		if err := session.QueryRow("SELECT coalesce(current_setting($1, true), '0')", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, not %q (%v)", name, got, want, err)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	if _, err := session.Exec("SELECT 1"); err != nil {
		t.Errorf("it was ended while it waited: %s", err)
	}
}

func TestTheWireIsUTF8WhateverTheDatabasesEncoding(t *testing.T) {
	for _, encoding := range []string{"LATIN1", "EUC_JP", "UTF8"} {
		database := postgrestest.New(t).Elsewhere(t)
		database.Execute(t, "DROP DATABASE "+database.Name)
		database.Execute(t, fmt.Sprintf("CREATE DATABASE %s OWNER %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", database.Name, database.User, encoding))
		target, err := access(database).resolve(t)
		if err != nil {
			t.Fatal(err)
		}
		session, err := target.Open(context.Background(), t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		word, letters := "café", 0
		if encoding == "EUC_JP" {
			word = "移行の道"
		}
		if err := session.QueryRow("SELECT char_length('" + word + "')").Scan(&letters); err != nil || letters != 4 {
			t.Errorf("%s: %d letters, %v", encoding, letters, err)
		}
		session.Close()
		dropping := database.Behind(t, &postgrestest.Proxy{Drop: func(parameter string) bool { return parameter == "client_encoding" }})
		if _, err := access(dropping).open(t); (failure.CodeOf(err) == failure.CodeRefused) != (encoding != "UTF8") {
			t.Errorf("%s, of which nobody tells the server: %v", encoding, err)
		}
	}
}

func TestNoFileChangesTheEncodingOfTheWire(t *testing.T) {
	target, session := opened(t, postgrestest.New(t))
	ctx := target.WithLimits(context.Background(), Limits{}, nil)
	for _, statement := range []string{
		"SET client_encoding = 'LATIN1'", "SET LOCAL client_encoding = 'SJIS'", "SET NAMES 'SQL_ASCII'", "SELECT set_config('client_encoding', 'EUC_JP', false)",
		"DO $$ BEGIN SET client_encoding = 'LATIN1'; END $$", "SET client_encoding = 'LATIN1'; SELECT 1",
	} {
		transaction, err := session.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %s", statement, err)
		}
		var letters int
		if err := transaction.QueryRowContext(ctx, "SELECT char_length('café')").Scan(&letters); err != nil || letters != 4 {
			t.Errorf("%s: %d letters, %v", statement, letters, err)
		}
		if err := transaction.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStandbyOrAReadOnlyServerIsNoServerToMigrate(t *testing.T) {
	database := postgrestest.New(t)
	database.Execute(t, fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = on", database.User))
	said, err := access(database).open(t)
	if failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), database.Port) || !strings.Contains(err.Error(), "only read") || !strings.Contains(said, "only answers questions") {
		t.Error(err, said)
	}
	// As after a failover: the other one takes over while the run waits.
	time.AfterFunc(time.Second, func() {
		database.Execute(t, fmt.Sprintf("ALTER ROLE %s RESET default_transaction_read_only", database.User))
	})
	if _, err := access(database).with("MIGRATION_CONNECT_TIMEOUT", "10").open(t); err != nil {
		t.Error(err)
	}
}

func TestNothingRunsInASessionThatLacksItsLimits(t *testing.T) {
	all := postgrestest.New(t)
	for name, c := range map[string]struct {
		proxy *postgrestest.Proxy
		code  failure.Code
		words string
	}{
		"a proxy that drops what a session begins with": {&postgrestest.Proxy{Drop: func(parameter string) bool { return parameter != "user" && parameter != "database" }}, failure.CodeRefused, "did not take the session's settings"},
		"one that drops a single limit":                 {&postgrestest.Proxy{Drop: func(parameter string) bool { return parameter == "lock_timeout" }}, failure.CodeRefused, "lock_timeout"},
		"one that drops the environment":                {&postgrestest.Proxy{Drop: func(parameter string) bool { return parameter == "custom.environment" }}, failure.CodeRefused, "custom.environment"},
		"a pooler that refuses them":                    {&postgrestest.Proxy{Refuse: true}, failure.CodeUnreachable, "lock: table"},
		"a pooler that ignores them":                    {&postgrestest.Proxy{Pool: 2}, failure.CodeRefused, "a pooler stands between"},
	} {
		_, err := access(all.Behind(t, c.proxy)).open(t)
		if failure.CodeOf(err) != c.code || err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := access(all.Behind(t, &postgrestest.Proxy{})).open(t); err != nil {
		t.Errorf("a proxy that does nothing: %s", err)
	}
}

func TestBehindAPoolerEveryTransactionHasItsLimits(t *testing.T) {
	database := postgrestest.New(t)
	for name, proxy := range map[string]*postgrestest.Proxy{
		"one that ignores": {Pool: 2, Drop: func(string) bool { return true }}, "one that refuses": {Pool: 2, Refuse: true},
	} {
		target, err := access(database.Behind(t, proxy)).resolve(t)
		if err != nil {
			t.Fatal(err)
		}
		for setting := range target.session { // as lock: table has it
			delete(target.config.RuntimeParams, setting)
		}
		for setting := range serverKeepalive() {
			delete(target.config.RuntimeParams, setting)
		}
		target.local = target.session
		session, err := target.Open(context.Background(), t.Logf)
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		defer session.Close()
		seen := map[string]bool{}
		for range 4 {
			transaction, err := session.Begin()
			if err != nil {
				t.Fatal(err)
			}
			var now, pid string
			if err := transaction.QueryRow("SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'), "+
				"current_setting('custom.environment')), pg_backend_pid()::text").Scan(&now, &pid); err != nil {
				t.Fatal(err)
			}
			if now != "3s 5min test" {
				t.Errorf("%s: %s", name, now)
			}
			seen[pid] = true
			if err := transaction.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) != 2 {
			t.Errorf("%s: %d sessions", name, len(seen))
		}
	}
}

func TestOnlyTheEndOfASessionIsALostConnection(t *testing.T) {
	if Lost(failure.Refused("the lock was lost")) || Lost(failure.MigrationFailed("a check failed")) {
		t.Error("a sentence of the engine's own is no lost connection")
	}
	for code, lost := range map[string]bool{
		"25P03": true, "25P04": true, "57P01": true, "57P02": true, "57P03": true, "57P04": true, "57P05": true, "08006": true,
		"25006": false, "42501": false, "55P03": false, "57014": false,
	} {
		if Lost(&pgconn.PgError{Code: code}) != lost {
			t.Errorf("%s: lost is %t", code, !lost)
		}
	}
	_, session := opened(t, postgrestest.New(t))
	transaction, err := session.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transaction.Exec("SET idle_in_transaction_session_timeout = '100ms'"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if _, err = transaction.Exec("SELECT 1"); sqlstate.Of(err) != pgerrcode.IdleInTransactionSessionTimeout || !Lost(err) {
		t.Errorf("it ends a session: %v", err)
	}
	_ = transaction.Rollback()
	if _, err := session.Exec("SELECT 1"); !Lost(err) || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
