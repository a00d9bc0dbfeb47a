package operate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func TestUpAppliesWhatIsPendingOnce(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_index.sql": indexA})
	_, report := s.Must((*Engine).Up)
	for _, want := range []string{"ok 00001_a.sql (", "ok 00002_index.sql (", "2 migrations applied to " + s.Name + " (test)", "is now at 00002"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	_, report = s.Must((*Engine).Up)
	if !strings.Contains(report, "nothing to apply to") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
}

func TestAFailingMigrationLeavesNothingAndStopsTheRun(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql":     createA,
		"migrations/00002_fails.sql": "-- +goose Up\nCREATE TABLE half (id int);\nSELECT 1/0;\n-- +goose Down\nDROP TABLE half;\n",
		"migrations/00003_c.sql":     createC,
	})
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "00002_fails.sql", "22012", "nothing of it stays", "1 migration before it")
	s.ExpectVersions("0 1")
	if s.HasTable("half") || s.HasTable("c") {
		t.Error("something of the failed migration, or after it, is there")
	}
}

func TestAFailingMigrationWithoutTransactionSaysThatItsBeginningStays(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE half (id int);\nSELECT 1/0;\n-- +goose Down\nDROP TABLE half;\n",
	})
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "the statement before it stays, and does not run again")
	if !s.HasTable("half") {
		t.Error("the statement before the failure is gone")
	}
}

func TestNothingIsSaidToBeUndoneOfWhatAHiddenCommitKept(t *testing.T) {
	const hidden = "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\n" +
		"CREATE TABLE kept (); COMMIT%s\n-- +goose StatementEnd\n-- +goose Down\nSELECT 1;\n"
	for name, after := range map[string]string{
		"nothing": "", "an error": "; SELECT 1/0;", "a lock that another session has": "; LOCK TABLE held IN ACCESS SHARE MODE;",
		"the end of the session": "; SELECT pg_terminate_backend(pg_backend_pid());",
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{"migrations/00001_a.sql": "-- migrate: lock_timeout=100ms\n" + fmt.Sprintf(hidden, after)})
			s.Execute(t, "CREATE TABLE held (); GRANT ALL ON held TO "+s.User)
			s.Execute(t, "BEGIN; LOCK TABLE held")
			s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "look at what of it stays")
			if !s.HasTable("kept") {
				t.Error("the COMMIT did not do what it is here for")
			}
			s.Execute(t, "ROLLBACK")
		})
	}
}

func TestNothingRunsWhileAPendingFileIsWrong(t *testing.T) {
	for name, content := range map[string]string{
		"migrations/00002_b.sql":    "-- +goose Up\nCREATE TABLE b (id int)\n",
		"migrations/00003_c.sql":    "-- +goose Up\n-- +goose Down\nDROP TABLE c;\n",
		"migrations/README.sql":     createB,
		"migrations/00001_also.sql": createB,
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{"migrations/00001_a.sql": createA, name: content})
			if _, _, err := s.Do((*Engine).Up); err == nil {
				t.Error("it was applied")
			}
			if s.HasTable("a") || s.HasTable("goose_db_version") {
				t.Error("something was applied")
			}
		})
	}
}

func TestALateMigrationIsRefused(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00003_c.sql": createC})
	s.Must((*Engine).Up)
	s.Write("migrations/00002_b.sql", createB)
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "00002_b.sql", "00004")
	s.Refuses((*Engine).Down, failure.CodeHistoryMismatch, "00002_b.sql")
	if s.HasTable("b") {
		t.Error("it was applied")
	}
}

func TestAGapIsLegal(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00200_c.sql": createC})
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 200")
}

func TestAMissingFileIsRefused(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB})
	s.Must((*Engine).Up)
	s.Remove("migrations/00001_a.sql")
	for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, (*Engine).Down, (*Engine).Redo, showPlan} {
		s.Refuses(operation, failure.CodeHistoryMismatch, "version 00001")
	}
	s.ExpectVersions("0 1 2")
}

func TestAnEmptyFolderIsRefused(t *testing.T) {
	s := newService(t, nil)
	s.Refuses((*Engine).Up, failure.CodeRefused, "./migrations holds no migration")
}

func TestUpAtStartRunsOnlyWhereItMay(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	_, report := s.Must((*Engine).UpIfAutomatic)
	if s.HasTable("a") || !strings.Contains(report, "00001_a.sql") {
		t.Error(report)
	}
	t.Setenv("MIGRATION_AUTO_RUN", "true")
	s.Must((*Engine).UpIfAutomatic)
	_, report = s.Must((*Engine).Up)
	if !s.HasTable("a") {
		t.Error(report)
	}
}

func TestTheProjectDecidesFolderAndTable(t *testing.T) {
	s := newService(t, map[string]string{"db/00001_a.sql": createA})
	s.Write(".goose.yml", "dir: db\ntable: audit.versions\n")
	s.Execute(t, "CREATE SCHEMA audit AUTHORIZATION "+s.User)
	s.Must((*Engine).Up)
	if got := s.Versions("audit.versions"); got != "0 1" || s.HasTable("goose_db_version") {
		t.Error(got)
	}
}

func TestTwoRunnersApplyEachMigrationOnce(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql":     createA,
		"migrations/00002_index.sql": indexA,
		"migrations/00003_row.sql":   "-- +goose Up\nINSERT INTO a SELECT 1 FROM pg_sleep(0.3);\n-- +goose Down\nDELETE FROM a;\n",
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
	s.ExpectVersions("0 1 2 3")
	if rows := s.Value(t, "SELECT count(*) FROM a"); rows != "1" {
		t.Errorf("%s rows", rows)
	}
}

func TestASessionThatIsLostStopsTheRun(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_b.sql": "-- +goose Up\nCREATE TABLE b (id int);\nSELECT pg_terminate_backend(pg_backend_pid());\n-- +goose Down\nDROP TABLE b;\n",
		"migrations/00003_c.sql": createC,
	})
	s.Refuses((*Engine).Up, failure.CodeUnreachable, "00002_b.sql lost its connection")
	s.ExpectVersions("0 1")
	if s.HasTable("b") || s.HasTable("c") {
		t.Error("the run went on")
	}
}

func TestGooseAndTheEngineContinueEachOthersHistory(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Must((*Engine).Up)
	s.Write("migrations/00002_b.sql", createB)
	s.Goose("up")
	s.ExpectVersions("0 1 2")
	s.Write("migrations/00003_c.sql", createC)
	s.Must((*Engine).Up)
	if status := s.Goose("status"); strings.Contains(status, "Pending") {
		t.Error(status)
	}
	s.Goose("down")
	s.Must((*Engine).Down)
	s.ExpectVersions("0 1")
	s.Goose("reset")
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
}

func TestTheVersionTableIsGooses(t *testing.T) {
	const columns = "SELECT string_agg(concat_ws(' ', column_name, data_type, is_nullable, column_default, is_identity), ', ' ORDER BY ordinal_position)" +
		" FROM information_schema.columns WHERE table_name = 'goose_db_version'"
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Must((*Engine).Up)
	ours := s.Value(t, columns)
	s.Execute(t, "DROP TABLE goose_db_version, a")
	s.Goose("up")
	if theirs := s.Value(t, columns); ours != theirs {
		t.Errorf("%s\n%s", ours, theirs)
	}
}
