package run

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"migrate/internal/failure"
	"migrate/internal/lock"
)

func (s service) hold() {
	s.t.Helper()
	key := lock.Advisory{Database: s.Name, Table: "goose_db_version"}.Key()
	s.Execute(s.t, fmt.Sprintf("SELECT pg_advisory_lock(%d)", key))
}

func TestARunnerThatWaitsInVainNamesTheHolder(t *testing.T) {
	s := three(t)
	s.hold()
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "1")
	pid := "pid " + s.Value(t, "SELECT pg_backend_pid()")
	_, report, err := s.do((*Engine).Up)
	if failure.CodeOf(err) != failure.CodeLocked || !strings.Contains(err.Error(), pid) || strings.Count(report, pid) != 1 {
		t.Errorf("%v\n%s", err, report)
	}
	s.refuses((*Engine).Down, failure.CodeLocked, pid)
	if s.hasTable("a") {
		t.Error("something was applied")
	}
}

func TestNothingToDoNeedsNoLock(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.hold()
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "0")
	s.must((*Engine).Up)
	s.must((*Engine).Plan)
	s.must(status(StatusOptions{}))
}

func TestAnInterruptEndsTheWaiting(t *testing.T) {
	s := three(t)
	s.hold()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, _, err := s.do(func(engine *Engine, _ context.Context) error { return engine.Up(ctx) })
	if failure.CodeOf(err) != failure.CodeRefused || time.Since(started) > 5*time.Second {
		t.Error(err, time.Since(started))
	}
}

func TestAnInterruptEndsAMigrationInTheServerToo(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int);\nSELECT pg_sleep(60);\n-- +goose Down\nDROP TABLE a;\n"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	started := time.Now()
	_, _, err := s.do(func(engine *Engine, _ context.Context) error { return engine.Up(ctx) })
	if failure.CodeOf(err) != failure.CodeMigrationFailed || !strings.Contains(err.Error(), "interrupted") || time.Since(started) > 10*time.Second {
		t.Error(err, time.Since(started))
	}
	time.Sleep(200 * time.Millisecond)
	if left := s.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); left != "0" || s.hasTable("a") {
		t.Errorf("%s sessions are left", left)
	}
}

func TestAStatementTakesNoLongerThanItMay(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nSELECT pg_sleep(60);\n-- +goose Down\n"})
	t.Setenv("MIGRATION_TIMEOUT", "1")
	s.refuses((*Engine).Up, failure.CodeMigrationFailed, "57014", "MIGRATION_TIMEOUT")
}

func TestAMigrationDoesNotQueueForATable(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_x.sql": "-- +goose Up\nALTER TABLE a ADD x int;\n-- +goose Down\nALTER TABLE a DROP x;\n"})
	s.must(to("1"))
	s.Execute(t, "BEGIN; SELECT * FROM a")
	s.refuses((*Engine).Up, failure.CodeMigrationFailed, "55P03", "another session holds the table")
}
