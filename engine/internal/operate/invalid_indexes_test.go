package operate

import (
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
)

const (
	twice       = "-- +goose Up\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);\n-- +goose Down\nDROP TABLE a;\n"
	uniqueIndex = "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE UNIQUE INDEX CONCURRENTLY %Ia_id ON a (id);\n-- +goose Down\nDROP INDEX CONCURRENTLY a_id;\n"
	isValid     = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass"
)

func TestAnInvalidIndexIsNamedAndBuiltAgain(t *testing.T) {
	for _, form := range []string{"", "IF NOT EXISTS "} {
		s := newService(t, map[string]string{"migrations/00001_a.sql": twice, "migrations/00002_i.sql": strings.Replace(uniqueIndex, "%I", form, 1)})
		s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "23505", "public.a_id is INVALID now")
		if s.Value(t, isValid) != "false" {
			t.Fatal("the index is not INVALID")
		}
		s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "23505")
		s.ExpectVersions("0 1")
		s.Execute(t, "DELETE FROM a WHERE ctid = (SELECT ctid FROM a LIMIT 1)")
		if _, report := s.Must((*Engine).Up); !strings.Contains(report, "public.a_id is INVALID, left by an attempt that failed") {
			t.Error(report)
		}
		if s.Value(t, isValid) != "true" {
			t.Error("the index is INVALID")
		}
		s.ExpectVersions("0 1 2")
	}
}

func TestOnlyTheFilesOwnInvalidIndexIsDropped(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": twice, "migrations/00002_i.sql": indexA})
	s.Must(to("1"))
	s.Execute(t, "CREATE SCHEMA other; CREATE TABLE other.a (id int); CREATE INDEX a_id ON other.a (id); CREATE INDEX b_id ON a (id); "+
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('other.a_id'::regclass, 'b_id'::regclass)")
	s.Must((*Engine).Up)
	if left := s.Value(t, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"); left != "2" {
		t.Errorf("%s of 2 are left", left)
	}
}

func TestAnIndexOfAnotherTableIsNotTakenForTheFiles(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB,
		"migrations/00003_i.sql": strings.ReplaceAll(strings.Replace(uniqueIndex, "%I", "IF NOT EXISTS ", 1), "UNIQUE ", "")})
	s.Must(to("2"))
	s.Execute(t, "CREATE INDEX a_id ON b (id)")
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "public.a_id", "another table")
	s.ExpectVersions("0 1 2")
}

func TestBuildingAnIndexWaitsForOldTransactions(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_i.sql": indexA})
	s.Must(to("1"))
	s.Execute(t, "BEGIN; LOCK TABLE a IN ROW EXCLUSIVE MODE")
	time.AfterFunc(4*time.Second, func() { s.Execute(t, "ROLLBACK") })
	if _, report := s.Must((*Engine).Up); !strings.Contains(report, "00002_i.sql waits for pid ") {
		t.Error(report)
	}
	s.ExpectVersions("0 1 2")
}

func TestOtherFilesWithoutTransactionStillDoNotQueue(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_x.sql": "-- +goose NO TRANSACTION\n" + addX})
	s.Must(to("1"))
	s.Execute(t, "BEGIN; SELECT * FROM a")
	t.Setenv("MIGRATION_RETRY_TIMEOUT", "0")
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "55P03", "pid ")
}

func TestWhatSomebodyHasUndoneByHandCanBeForgotten(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_x.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (id int);\nSELECT 1/0;\n-- +goose Down\nDROP TABLE a;\n"})
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "22012")
	if _, report := s.Must((*Engine).Repair); !strings.Contains(report, "nothing to repair") {
		t.Error(report)
	}
	s.Execute(t, "DROP TABLE a")
	s.Write("migrations/00001_x.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (id bigint);\n-- +goose Down\nDROP TABLE a;\n")
	if _, report := s.Must((*Engine).Repair); !strings.Contains(report, "begins anew") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1")
}

func TestWhatRanBeforeAFailureDoesNotRunAgain(t *testing.T) {
	file := func(index string) string {
		return "-- +goose NO TRANSACTION\n-- +goose Up\nUPDATE a SET id = id + 10;\nSELECT pg_sleep(0);\n" + index + "\n-- +goose Down\nUPDATE a SET id = id - 10;\nDROP INDEX CONCURRENTLY a_id;\n"
	}
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_x.sql": file("CREATE INDEX CONCURRENTLY a_id ON a (nothing);")})
	s.Must(to("1"))
	s.Execute(t, "INSERT INTO a VALUES (0)")
	for range 2 {
		s.Refuses((*Engine).Up, failure.CodeMigrationFailed, "42703", "do not run again")
	}
	s.Write("migrations/00002_x.sql", strings.Replace(file("CREATE INDEX CONCURRENTLY a_id ON a (id);"), "+ 10", "+ 11", 1))
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "statement 1", "migrate repair")
	s.Write("migrations/00002_x.sql", file("CREATE INDEX CONCURRENTLY a_id ON a (id);"))
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2")
	if id := s.Value(t, "SELECT id FROM a"); id != "10" {
		t.Errorf("%s, not 10", id)
	}
	if left := s.Value(t, "SELECT count(*) FROM goose_db_version_statement"); left != "0" {
		t.Errorf("%s statements are remembered of a file that is done", left)
	}
	s.Must((*Engine).Down)
	s.Must((*Engine).Up)
	if id := s.Value(t, "SELECT id FROM a"); id != "10" {
		t.Errorf("%s, not 10", id)
	}
}
