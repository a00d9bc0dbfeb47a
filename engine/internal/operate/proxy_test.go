package operate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
)

// behind puts a proxy between the engine and the server.
func (s service) behind(proxy *postgrestest.Proxy) {
	s.T.Helper()
	seen := s.Behind(s.T, proxy)
	s.T.Setenv("DB_HOST", seen.Host)
	s.T.Setenv("DB_PORT", seen.Port)
}

func TestNothingRunsBehindAProxyThatTakesTheLimitsOrTheLockAway(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	for _, c := range []struct {
		proxy *postgrestest.Proxy
		code  failure.Code
	}{
		{&postgrestest.Proxy{Drop: func(parameter string) bool { return strings.HasSuffix(parameter, "timeout") }}, failure.CodeRefused},
		{&postgrestest.Proxy{Pool: 2, Drop: func(string) bool { return true }}, failure.CodeRefused},
		{&postgrestest.Proxy{Pool: 2, Refuse: true}, failure.CodeUnreachable},
	} {
		s.behind(c.proxy)
		for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, (*Engine).Ping, status(StatusOptions{}), (*Engine).Down} {
			s.Refuses(operation, c.code, "lock: table")
		}
	}
	if s.HasTable("a") || s.HasTable("goose_db_version") {
		t.Error("something ran")
	}
}

func TestBehindAPoolerEachTransactionHasItsLimitsAndTheLockHolds(t *testing.T) {
	for name, proxy := range map[string]*postgrestest.Proxy{
		"one that ignores what it does not know": {Pool: 3, Drop: func(string) bool { return true }}, "one that refuses it": {Pool: 3, Refuse: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := tableLock(t, map[string]string{
				"migrations/00001_a.sql":     createA,
				"migrations/00002_said.sql":  "-- migrate: lock_timeout=7s\n" + remembering("said"),
				"migrations/00003_index.sql": indexA,
				"migrations/00004_mixed.sql": "-- +goose NO TRANSACTION\n-- migrate: statement_timeout=90s\n-- +goose Up\nCREATE TABLE limits AS SELECT current_setting('lock_timeout') AS l, current_setting('statement_timeout') AS s;\n" +
					"SELECT set_config('search_path', 'pg_catalog', false);\nINSERT INTO public.a VALUES (1);\nVACUUM public.a;\n-- +goose Down\nDROP TABLE limits;\nDELETE FROM a;\n",
			})
			s.behind(proxy)
			s.Must((*Engine).Up)
			s.ExpectVersions("0 1 2 3 4")
			if said := s.Value(t, "SELECT said FROM said"); !strings.Contains(said, " 7s 5min ") || !strings.Contains(said, " test ") {
				t.Error(said)
			}
			if limits := s.Value(t, "SELECT l || ' ' || s FROM limits"); limits != "3s 90s" && limits != "3s 1min30s" {
				t.Error(limits)
			}
			if rows := s.Value(t, "SELECT count(*) FROM a"); rows != "1" {
				t.Errorf("%s rows", rows)
			}
			s.Must((*Engine).Redo)
			s.Write("migrations/00005_set.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nSET search_path = pg_catalog;\nCREATE TABLE t ();\n-- +goose Down\nSELECT 1;\n")
			s.Refuses((*Engine).Up, failure.CodeRefused, "SET does not outlast")
		})
	}
}

func TestNothingRunsTwiceHoweverOftenARunIsEnded(t *testing.T) {
	rounds := 6
	_, _ = fmt.Sscan(os.Getenv("MIGRATE_TEST_KILLS"), &rounds)
	const down = "-- +goose Down\nSELECT 1;\n"
	s := newService(t, map[string]string{
		"migrations/00001_tables.sql": "-- +goose Up\nCREATE TABLE log (n int);\nCREATE TABLE big AS SELECT i AS id, i AS n, 0 AS m FROM generate_series(1, 20000) i;\nCREATE INDEX big_old ON big (m);\n" +
			"CREATE TABLE p (n int) PARTITION BY LIST (n);\nCREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);\n" + down,
		"migrations/00002_rows.sql": "-- +goose Up\nINSERT INTO log VALUES (1);\nUPDATE big SET m = m + 1;\n" + down,
		"migrations/00003_mixed.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nSET search_path = public;\nINSERT INTO log VALUES (2);\nCREATE INDEX CONCURRENTLY big_n ON big (n);\n" +
			"REINDEX (CONCURRENTLY) TABLE big;\nALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\nUPDATE big SET m = m + 1;\nVACUUM big;\nDROP INDEX CONCURRENTLY big_old;\n" +
			"-- +goose StatementBegin\nDO $$ BEGIN INSERT INTO log VALUES (3); END $$;\n-- +goose StatementEnd\n" + down,
		"migrations/00004_more.sql": "-- +goose Up\nINSERT INTO log VALUES (4);\n" + down,
		"migrations/00005_end.sql":  "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE UNIQUE INDEX CONCURRENTLY big_id ON big (id);\nINSERT INTO log VALUES (5);\n" + down,
	})
	proxy := &postgrestest.Proxy{}
	s.behind(proxy)
	ended := 0
	for ended < rounds {
		s.Execute(t, "DROP TABLE IF EXISTS log, big, p, p1, goose_db_version, goose_db_version_checksum, goose_db_version_environment, goose_db_version_statement")
		for over := false; !over; {
			done := make(chan error, 1)
			go func() {
				_, _, err := s.Do((*Engine).Up)
				done <- err
			}()
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				over = true
			case <-time.After(time.Duration(rand.Int64N(int64(400 * time.Millisecond)))):
				ended++
				if ended%2 == 0 {
					proxy.Cut()
				} else {
					s.Execute(t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '"+s.User+"'")
				}
				if err := <-done; err == nil {
					over = true
				} else if code := failure.CodeOf(err); code != failure.CodeUnreachable {
					t.Fatalf("exit code %d: %s", code, err)
				}
			}
		}
		for query, want := range map[string]string{
			"SELECT string_agg(n::text, ' ' ORDER BY n) FROM log": "1 2 3 4 5",
			"SELECT concat_ws(' ', min(m), max(m)) FROM big":      "2 2",
			"SELECT count(*) FROM pg_index WHERE NOT indisvalid":  "0",
			"SELECT count(*) FROM pg_inherits":                    "0",
			"SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'big'::regclass": "big_id big_n",
			"SELECT string_agg(version_id::text, ' ' ORDER BY id) FROM goose_db_version":                                                            "0 1 2 3 4 5",
			"SELECT count(*) FROM goose_db_version_statement":                                                                                       "0",
		} {
			if got := s.Value(t, query); got != want {
				t.Errorf("%s: %s, not %s", query, got, want)
			}
		}
	}
	t.Logf("%d runs were ended", ended)
}
