package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
)

// lifting are ways to do away with the limits, with what they leave of them if nobody minds.
var lifting = map[string]string{
	"SET":                  "SET lock_timeout = 0; SET statement_timeout = 0",
	"SET LOCAL":            "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0",
	"set_config":           "SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', true)",
	"DO":                   "DO $$ BEGIN PERFORM set_config('lock_timeout', '0', true); EXECUTE 'SET statement_timeout = 0'; END $$",
	"DEFAULT":              "SET lock_timeout TO DEFAULT; SET statement_timeout = DEFAULT",
	"the head of a dump":   "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);",
	"longer than it may":   "SET lock_timeout = '1h'; SET LOCAL statement_timeout = '25h'",
	"a procedure":          "CREATE OR REPLACE PROCEDURE lift_all() LANGUAGE sql AS 'SET lock_timeout = 0; SET statement_timeout = 0'; CALL lift_all()",
	"SELECT of a function": "CREATE OR REPLACE FUNCTION lift() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET lock_timeout = 0; SET statement_timeout = 0; END $$; SELECT lift()",
}

func TestNoStatementLiftsALimit(t *testing.T) {
	database := postgrestest.New(t)
	for name, statement := range lifting {
		for _, pooled := range []bool{false, true} {
			var told []string
			target, err := access(database).resolve(t)
			if err != nil {
				t.Fatal(err)
			}
			if pooled {
				target.local = map[string]string{"lock_timeout": "3000", "statement_timeout": "300000"}
			}
			session, err := target.Open(context.Background(), t.Logf)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { session.Close() })
			ctx := target.WithLimits(context.Background(), Limits{Statement: new(24 * time.Hour)}, func(name, value string) { told = append(told, name) })
			transaction, err := session.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transaction.ExecContext(ctx, statement); err != nil {
				t.Fatalf("%s: %s", name, err)
			}
			var locks, statements string
			ask := "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
			if err := transaction.QueryRowContext(ctx, ask).Scan(&locks, &statements); err != nil {
				t.Fatal(err)
			}
			if name == "DEFAULT" { // what the session was begun with is no way out, and shorter here
				if locks != "3s" || statements != "5min" {
					t.Errorf("%s: %s, %s", name, locks, statements)
				}
			} else if locks != "3s" || statements != "1d" || !slices.Equal(told, []string{"lock_timeout", "statement_timeout"}) {
				t.Errorf("%s, pooled %t: %s, %s, told of %v", name, pooled, locks, statements, told)
			}
			if err := transaction.Commit(); err != nil {
				t.Fatal(err)
			}
			if pooled {
				continue
			}
			if err := session.QueryRowContext(ctx, ask).Scan(&locks, &statements); err != nil || locks == "0" || statements == "0" {
				t.Errorf("%s: afterwards %s, %s, %v", name, locks, statements, err)
			}
		}
	}
}

func TestAFileMayShortenALimitAndChooseItsIsolation(t *testing.T) {
	target, session := opened(t, postgrestest.New(t))
	ctx := target.WithLimits(context.Background(), Limits{}, func(name, value string) { t.Errorf("%s is %s", name, value) })
	transaction, err := session.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer transaction.Rollback()
	for _, statement := range []string{"SET LOCAL lock_timeout = '250ms'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "CREATE TABLE t ()"} {
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %s", statement, err)
		}
	}
	var now string
	if err := transaction.QueryRowContext(ctx, "SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('transaction_isolation'))").Scan(&now); err != nil || now != "250ms serializable" {
		t.Error(now, err)
	}
}

func TestABlockThatLiftsTheLimitIsEndedByTheClient(t *testing.T) {
	target, session := opened(t, postgrestest.New(t))
	ctx := target.WithLimits(context.Background(), Limits{Statement: new(100 * time.Millisecond)}, nil)
	transaction, err := session.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer transaction.Rollback()
	started := time.Now()
	_, err = transaction.ExecContext(ctx, "SET LOCAL statement_timeout = 0; SELECT pg_sleep(60)")
	var server *pgconn.PgError
	if !errors.As(err, &server) || server.Code != "57014" || time.Since(started) > 2*grace {
		t.Errorf("%v after %s", err, time.Since(started))
	}
}

func TestBehindAPoolerAStatementOutsideATransactionHasTheFilesOwnLimit(t *testing.T) {
	database := postgrestest.New(t)
	target, err := access(database).resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	target.config.RuntimeParams = map[string]string{}
	target.local = map[string]string{}
	session, err := target.Open(context.Background(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	started := time.Now()
	_, err = session.ExecContext(target.WithLimits(context.Background(), Limits{Statement: new(300 * time.Millisecond)}, nil), "SELECT pg_sleep(60)")
	if err == nil || time.Since(started) > 3*time.Second {
		t.Errorf("%v after %s", err, time.Since(started))
	}
	database.Execute(t, fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '2s'", database.User))
	again, err := target.Open(context.Background(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	_, err = again.ExecContext(target.WithLimits(context.Background(), Limits{Statement: new(time.Hour)}, nil), "VACUUM")
	if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), "2s") {
		t.Error(err)
	}
}

func TestEveryFormOfATimeoutIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "3s": 3 * time.Second, "250ms": 250 * time.Millisecond, "5min": 5 * time.Minute, "2h": 2 * time.Hour, "1d": 24 * time.Hour, "10us": 10 * time.Microsecond, "300000": 5 * time.Minute,
	} {
		if got, known := parseSetting(text); got != want || !known {
			t.Errorf("%s: %s, %t", text, got, known)
		}
	}
	if _, known := parseSetting("on"); known {
		t.Error("on is no time")
	}
}
