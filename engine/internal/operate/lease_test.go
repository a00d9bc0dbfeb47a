package operate

import (
	"strings"
	"sync"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func tableLock(t *testing.T, files map[string]string) service {
	t.Helper()
	s := newService(t, files)
	s.Write(".goose.yml", "driver: postgres\nservice: avion-auth\nlock: table\n")
	return s
}

func TestATableMayBeTheLock(t *testing.T) {
	s := tableLock(t, map[string]string{
		"migrations/00001_a.sql":     createA,
		"migrations/00002_index.sql": indexA,
		"migrations/00003_row.sql":   "-- +goose Up\nINSERT INTO a SELECT 1 FROM pg_sleep(0.3);\n-- +goose Down\nDELETE FROM a;\n",
		"migrations/00004_said.sql":  "-- migrate: lock_timeout=7s\n" + remembering("said"),
	})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, report, err := s.Do((*Engine).Up); err != nil {
				t.Errorf("%s\n%s", err, report)
			}
		})
	}
	group.Wait()
	s.ExpectVersions("0 1 2 3 4")
	if rows := s.Value(t, "SELECT count(*) FROM a"); rows != "1" {
		t.Errorf("%s rows", rows)
	}
	if said := s.Value(t, "SELECT said FROM said"); !strings.Contains(said, " 7s 5min ") || !strings.Contains(said, " test ") {
		t.Error(said)
	}
	if left := s.Value(t, "SELECT count(*) FROM goose_db_version_lock"); left != "0" {
		t.Error("the lock was not given back")
	}
	s.Must((*Engine).Redo)
}

func TestTheHolderOfATableLockIsNamedUntilItsLeaseEnds(t *testing.T) {
	s := tableLock(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB})
	s.Must(to("1"))
	s.Execute(t, "INSERT INTO goose_db_version_lock (holder, since, expires) VALUES ('pid 1 on elsewhere', now(), now() + interval '1 hour')")
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "1")
	s.Refuses((*Engine).Up, failure.CodeLocked, "pid 1 on elsewhere (since ")
	s.Execute(t, "UPDATE goose_db_version_lock SET expires = now() - interval '1 second'")
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2")
}

func TestAMigrationWhoseLeaseHasPassedOnIsNotCommitted(t *testing.T) {
	s := tableLock(t, map[string]string{"migrations/00001_a.sql": createA,
		"migrations/00002_thief.sql": "-- +goose Up\nCREATE TABLE half (id int);\nUPDATE goose_db_version_lock SET holder = 'another';\n-- +goose Down\nSELECT 1;\n",
		"migrations/00003_c.sql":     createC})
	s.Refuses((*Engine).Up, failure.CodeUnreachable, "lock")
	s.ExpectVersions("0 1")
	if s.HasTable("half") || s.HasTable("c") {
		t.Error("the run went on without the lock")
	}
}
