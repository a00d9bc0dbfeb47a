package operate

import (
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const rememberSettings = "SELECT concat_ws(' ', current_setting('search_path'), current_setting('lock_timeout'), current_setting('statement_timeout'), " +
	"current_setting('work_mem'), current_setting('custom.environment'), current_user, session_user, nullif(current_setting('custom.mine', true), ''))"

// remember records the settings that a file runs with.
const remember = "-- +goose Up\nCREATE TABLE public.%N AS " + rememberSettings + " AS said;\n-- +goose Down\nDROP TABLE public.%N;\n"

func remembering(name string) string { return strings.ReplaceAll(remember, "%N", name) }

const setEverything = "SET search_path = pg_catalog;\nSET lock_timeout = 1;\nSET statement_timeout = '9s';\nSELECT set_config('work_mem', '1MB', false);\n" +
	"SET custom.environment = 'production';\nSET client_encoding = 'LATIN1';\nSET standard_conforming_strings = off;\nSET custom.mine = 'x';\nSET ROLE pg_read_all_stats;\n"

func TestNothingThatAFileSetsReachesTheNext(t *testing.T) {
	for _, annotation := range []string{"", "-- +goose NO TRANSACTION\n"} {
		t.Run(annotation, func(t *testing.T) {
			s := newService(t, map[string]string{
				"migrations/00001_before.sql": remembering("before"),
				"migrations/00002_sets.sql":   annotation + "-- +goose Up\n" + setEverything + "-- +goose Down\n" + setEverything,
				"migrations/00003_after.sql":  remembering("after"),
			})
			s.Execute(t, "GRANT pg_read_all_stats TO "+s.User)
			s.Must((*Engine).Up)
			s.ExpectVersions("0 1 2 3")
			if before, after := s.Value(t, "SELECT said FROM before"), s.Value(t, "SELECT said FROM after"); before != after ||
				!strings.HasPrefix(before, `"$user", public 3s 5min 4MB test `) {
				t.Errorf("%q became %q", before, after)
			}
			s.Must((*Engine).Down)
			s.Must((*Engine).Down)
			s.Must((*Engine).Redo)
			s.ExpectVersions("0 1")
		})
	}
}

func TestASeedThatSetsSomethingDoesNotReachTheNextEither(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql":         createA,
		"migrations-seed/00001_sets.sql": "-- +goose Up\nSET search_path = pg_catalog;\n-- +goose Down\nSELECT 1;\n",
		"migrations-seed/00002_a.sql":    seedA,
	})
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	s.Must((*Engine).Seed)
	if rows := s.Value(t, "SELECT count(*) FROM a"); rows != "2" {
		t.Error(rows)
	}
}

func TestAFileMayRaiseItsLimits(t *testing.T) {
	for _, annotation := range []string{"", "-- +goose NO TRANSACTION\n"} {
		s := newService(t, map[string]string{
			"migrations/00001_raised.sql": "-- migrate: lock_timeout=10s statement_timeout=1h\n" + annotation + remembering("raised"),
			"migrations/00002_after.sql":  remembering("after"),
		})
		s.Must((*Engine).Up)
		if raised, after := s.Value(t, "SELECT said FROM raised"), s.Value(t, "SELECT said FROM after"); !strings.Contains(raised, " 10s 1h ") ||
			!strings.Contains(after, " 3s 5min ") {
			t.Errorf("%q, then %q", raised, after)
		}
	}
}

func TestWrongLimitsStopUp(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_b.sql": "-- migrate: lock_timeout=1d\n" + createB})
	s.Refuses((*Engine).Up, failure.CodeRefused, "00002_b.sql line 1", "lock_timeout=1d")
	if s.HasTable("a") {
		t.Error("something was applied")
	}
}
