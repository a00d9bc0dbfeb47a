package operate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/runlock"
)

func (s service) hold() {
	s.T.Helper()
	key := runlock.Advisory{Database: s.Name, Table: "goose_db_version"}.Key()
	s.Execute(s.T, fmt.Sprintf("SELECT pg_advisory_lock(%d)", key))
}

func TestARunnerThatWaitsInVainNamesTheHolder(t *testing.T) {
	s := three(t)
	s.hold()
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "1")
	pid := "pid " + s.Value(t, "SELECT pg_backend_pid()")
	_, report, err := s.Do((*Engine).Up)
	if failure.CodeOf(err) != failure.CodeLocked || !strings.Contains(err.Error(), pid) || strings.Count(report, pid) != 1 {
		t.Errorf("%v\n%s", err, report)
	}
	s.Refuses((*Engine).Down, failure.CodeLocked, pid)
	if s.HasTable("a") {
		t.Error("something was applied")
	}
}

func TestNothingToDoNeedsNoLock(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.hold()
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "0")
	s.Must((*Engine).Up)
	s.Must(showPlan)
	s.Must(status(StatusOptions{}))
}

func TestAnInterruptEndsTheWaiting(t *testing.T) {
	s := three(t)
	s.hold()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, _, err := s.Do(func(engine *Engine, _ context.Context) error { return engine.Up(ctx) })
	if failure.CodeOf(err) != failure.CodeRefused || time.Since(started) > 5*time.Second {
		t.Error(err, time.Since(started))
	}
}

func TestAnInterruptEndsAMigrationInTheServerToo(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int);\nSELECT pg_sleep(60);\n-- +goose Down\nDROP TABLE a;\n"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	started := time.Now()
	_, _, err := s.Do(func(engine *Engine, _ context.Context) error { return engine.Up(ctx) })
	if failure.CodeOf(err) != failure.CodeMigrationFailed || !strings.Contains(err.Error(), "interrupted") || time.Since(started) > 10*time.Second {
		t.Error(err, time.Since(started))
	}
	time.Sleep(200 * time.Millisecond)
	if left := s.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); left != "0" || s.HasTable("a") {
		t.Errorf("%s sessions are left", left)
	}
}

func TestAStatementTakesNoLongerThanItMay(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nSELECT pg_sleep(60);\n-- +goose Down\n"})
	t.Setenv("MIGRATION_TIMEOUT", "1")
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "57014", "MIGRATION_TIMEOUT")
}

const addX = "-- +goose Up\nALTER TABLE a ADD x int;\n-- +goose Down\nALTER TABLE a DROP x;\n"

func TestAMigrationDoesNotQueueForATable(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_x.sql": addX})
	s.Must(to("1"))
	t.Setenv("MIGRATION_RETRY_TIMEOUT", "0")
	s.Execute(t, "BEGIN; SELECT * FROM a")
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "55P03", "another session holds the table", "pid "+s.Value(t, "SELECT pg_backend_pid()"))
}

func TestAMigrationThatIsBlockedIsTriedAgain(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_x.sql": "-- migrate: lock_timeout=800ms\n" + addX,
	})
	s.Must(to("1"))
	pid := s.Value(t, "SELECT pg_backend_pid()")
	s.Execute(t, "GRANT pg_read_all_stats TO "+s.User)
	s.Execute(t, "BEGIN; SELECT 'secret' FROM a")
	time.AfterFunc(2*time.Second, func() { s.Execute(t, "ROLLBACK") })
	_, report := s.Must((*Engine).Up)
	for _, want := range []string{"00002_x.sql did not get its locks, attempt 1: pid " + pid, "idle in transaction", ", SELECT)", "again in "} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if strings.Contains(report, "secret") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
}

func TestTryingAgainEnds(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_x.sql": "-- migrate: lock_timeout=200ms\n" + addX,
	})
	s.Must(to("1"))
	t.Setenv("MIGRATION_RETRY_TIMEOUT", "2")
	s.Execute(t, "BEGIN; SELECT * FROM a")
	started := time.Now()
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "in each of", "MIGRATION_RETRY_TIMEOUT")
	if took := time.Since(started); took > 4*time.Second {
		t.Error(took)
	}
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB,
		"migrations/00003_both.sql": "-- +goose Up\nLOCK TABLE a;\nSELECT pg_sleep(0.7);\nLOCK TABLE b;\n-- +goose Down\nSELECT 1;\n",
	})
	s.Must(to("2"))
	s.Execute(t, "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE b")
	time.AfterFunc(400*time.Millisecond, func() { s.Execute(t, "LOCK TABLE a; COMMIT") })
	if _, report := s.Must((*Engine).Up); !strings.Contains(report, "attempt 1: pid ") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2 3")
}

// Whatever fails while it is committed was recorded in memory before.
func TestAnAttemptThatFailsAtItsCommitIsTriedAgain(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_row.sql": seedA})
	s.Must(to("1"))
	s.Execute(t, `CREATE SEQUENCE attempts; GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN IF nextval(''attempts'') < 3 THEN RAISE SQLSTATE ''40P01''; END IF; RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	_, report := s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2")
	if !strings.Contains(report, "attempt 2") || s.Value(t, "SELECT count(*) FROM a") != "1" {
		t.Error(report)
	}
}

func TestAFileThatIsDownIsTriedAgainToo(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_x.sql": "-- migrate: lock_timeout=300ms\n" + addX,
	})
	s.Must((*Engine).Up)
	s.Execute(t, "BEGIN; SELECT * FROM a")
	time.AfterFunc(time.Second, func() { s.Execute(t, "ROLLBACK") })
	s.Must((*Engine).Down)
	s.ExpectVersions("0 1")
}

func TestNothingMoreOfAFileRunsOnceItHasLetGoOfTheLock(t *testing.T) {
	const down = "-- +goose Down\nSELECT 1;\n"
	for name, content := range map[string]string{
		"statement by statement": "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT pg_advisory_unlock_all();\nCREATE TABLE never ();\n" + down,
		"outside a transaction":  "-- +goose NO TRANSACTION\n-- +goose Up\nDISCARD ALL;\nCREATE TABLE never ();\n" + down,
		"in one transaction":     "-- +goose Up\nSELECT pg_advisory_unlock_all();\nCREATE TABLE never ();\n" + down,
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{"migrations/00001_a.sql": content})
			s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "is not the session's any more")
			if s.HasTable("never") {
				t.Error("it went on")
			}
		})
	}
}
