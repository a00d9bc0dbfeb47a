package operate

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

const recorded = "SELECT coalesce(string_agg(concat_ws(' ', version_id, file, left(checksum, 8), applied_order, engine), ', ' ORDER BY version_id), '') FROM goose_db_version_checksum"

func sum(content string) string { return migration.Checksum([]byte(content))[:8] }

func TestUpRecordsTheChecksumOfEveryFile(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_index.sql": indexA})
	s.Must((*Engine).Up)
	got := s.Value(t, recorded)
	for _, want := range []string{"1 00001_a.sql " + sum(createA) + " 2 migrate", "2 00002_index.sql " + sum(indexA) + " 3 migrate"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	s.Must((*Engine).Down)
	if got := s.Value(t, recorded); strings.Contains(got, "00002") || !strings.Contains(got, "00001") {
		t.Error(got)
	}
}

func TestAFailedMigrationHasNoChecksum(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_b.sql": "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n",
	})
	s.Refuses((*Engine).Up, failure.CodeMigrationFailed)
	if got := s.Value(t, recorded); !strings.HasPrefix(got, "1 ") || strings.Contains(got, "00002") {
		t.Error(got)
	}
	s.Write("migrations/00002_b.sql", createB)
	s.Must((*Engine).Up)
}

func TestASeedMayBeEdited(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	s.Write("migrations-seed/00001_data.sql", strings.Replace(seedA, "1", "2", 1))
	s.Must((*Engine).Seed)
	if s.Value(t, "SELECT count(*) FROM a WHERE id = 2") != "1" || s.HasTable("goose_seed_version_checksum") {
		t.Error("the edited seed did not run, or was recorded")
	}
}

func TestTheHistoryOfAnotherToolIsAdoptedOnce(t *testing.T) {
	s := three(t)
	s.Goose("up")
	out, report := s.Must(status(StatusOptions{}))
	if strings.Count(out, "applied, unrecorded") != 3 || !strings.Contains(report, "3 migrations applied by another tool") {
		t.Error(out, report)
	}
	if s.HasTable("goose_db_version_checksum") || s.HasTable("goose_db_version_environment") {
		t.Error("status changed the database")
	}
	const line = "recorded the checksums of 3 migrations that another tool applied"
	if _, report := s.Must((*Engine).Up); !strings.Contains(report, line) {
		t.Error(report)
	}
	if _, report := s.Must((*Engine).Up); strings.Contains(report, "recorded") {
		t.Error(report)
	}
	if got := s.Value(t, recorded); strings.Count(got, "another tool") != 3 {
		t.Error(got)
	}
	s.Write("migrations/00002_b.sql", createB+"\n")
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "00002_b.sql")
}

func TestWhatAnotherToolAppliedAgainIsAdoptedAgain(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Goose("down")
	s.Write("migrations/00003_c.sql", createC+"\n")
	s.Goose("up")
	if _, report := s.Must((*Engine).Up); !strings.Contains(report, "recorded the checksums of 1 migration that another tool applied, as the files are now: 00003_c.sql") {
		t.Error(report)
	}
	if got := s.Value(t, recorded); !strings.Contains(got, "3 00003_c.sql "+sum(createC+"\n")) {
		t.Error(got)
	}
}

func TestRollingBackAdoptsToo(t *testing.T) {
	s := three(t)
	s.Goose("up")
	s.Must((*Engine).Down)
	if got := s.Value(t, recorded); strings.Count(got, "another tool") != 2 {
		t.Error(got)
	}
	s.Must((*Engine).Redo)
	s.ExpectVersions("0 1 2")
}

func TestALateFileIsAppliedWhereThatIsAllowed(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00003_c.sql": createC})
	s.Must((*Engine).Up)
	s.Write("migrations/00002_b.sql", createB)
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, "00002_b.sql", "00004 or higher", "out_of_order: allow")
	s.Write(".goose.yml", "out_of_order: allow\n")
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 3 2")
	out, _ := s.Must(status(StatusOptions{JSON: true}))
	var document statusDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	if m := document.Migrations; m[0].Order != 1 || m[1].Order != 3 || m[2].Order != 2 {
		t.Error(out)
	}
	if _, report := s.Must((*Engine).Down); !strings.Contains(report, "00002_b.sql") {
		t.Error(report)
	}
	s.Must(to("2"))
	s.ExpectVersions("0 1 2")
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2 3")
}

func TestDevelopersMayRedoTheFileThatTheyAreWriting(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Write("migrations/00003_c.sql", strings.Replace(createC, "id int", "id int, name text", 1))
	s.Refuses((*Engine).Down, failure.CodeHistoryMismatch, "00003_c.sql")
	if _, report := s.Must((*Engine).Redo); !strings.Contains(report, "00003_c.sql was edited after it was applied") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
	s.Write("migrations/00002_b.sql", createB+"\n")
	s.Refuses((*Engine).Redo, failure.CodeHistoryMismatch, "00002_b.sql")
	s.Must((*Engine).Repair)
	s.Write("migrations/00003_c.sql", createC)
	s.Execute(t, "UPDATE goose_db_version_environment SET environment = 'staging'")
	s.Refuses((*Engine).Redo, failure.CodeHistoryMismatch, "00003_c.sql")
}

func TestRepairAcceptsEditsAndSaysWhich(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	if _, report := s.Must((*Engine).Repair); !strings.Contains(report, "nothing to repair") {
		t.Error(report)
	}
	rows := s.Value(t, "SELECT string_agg(g::text, ' ') FROM goose_db_version g")
	s.Write("migrations/00001_a.sql", createA+"-- more\n")
	s.Remove("migrations/00002_b.sql")
	s.Write("migrations/00002_better.sql", createB)
	_, report := s.Must((*Engine).Repair)
	for _, want := range []string{
		"version 00001: 00001_a.sql " + sum(createA), "is recorded as 00001_a.sql " + sum(createA+"-- more\n"),
		"version 00002: 00002_b.sql " + sum(createB), "is recorded as 00002_better.sql " + sum(createB),
	} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if strings.Contains(report, "00003") || rows != s.Value(t, "SELECT string_agg(g::text, ' ') FROM goose_db_version g") {
		t.Error("more was changed", report)
	}
	s.Must((*Engine).Up)
	s.Must(status(StatusOptions{ExitCode: true}))
}

func TestRepairLeavesWhatItCannotMend(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Remove("migrations/00001_a.sql")
	s.Write("migrations/00002_b.sql", createB+"\n")
	s.Refuses((*Engine).Repair, failure.CodeHistoryMismatch, "version 00001 (applied as 00001_a.sql)")
	s.Write("migrations/00001_a.sql", createA)
	s.Must((*Engine).Up)
}

func TestRepairOfProductionNeedsItsName(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Execute(t, "UPDATE goose_db_version_environment SET environment = 'production'")
	s.Write("migrations/00002_b.sql", createB+"\n")
	s.Refuses((*Engine).Repair, failure.CodeRefused, "CONFIRM="+s.Name)
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch)
	t.Setenv("CONFIRM", s.Name)
	if _, report := s.Must((*Engine).Repair); !strings.Contains(report, "consent: repair in production") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
}

func TestTheHistoryOfASchemaOfItsOwn(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Write(".goose.yml", "table: audit.versions\n")
	s.Execute(t, "CREATE SCHEMA audit AUTHORIZATION "+s.User)
	s.Must((*Engine).Up)
	if s.Value(t, "SELECT count(*) FROM audit.versions_checksum") != "1" || s.Value(t, "SELECT environment FROM audit.versions_environment") != "test" {
		t.Error("nothing is recorded")
	}
	s.Must((*Engine).Down)
}

const begins = "would begin from nothing, although the database has a history in "

func TestAHistoryUnderAnotherNameIsNotBegunAnew(t *testing.T) {
	for _, table := range []string{"schema_history", "elsewhere.goose_db_version", `"Versions"`} {
		t.Run(table, func(t *testing.T) {
			s := three(t)
			s.Execute(t, "CREATE SCHEMA elsewhere AUTHORIZATION "+s.User)
			s.Goose("-table", table, "up-to", "2")
			for name, operation := range map[string]func(*Engine, context.Context) error{
				"up": (*Engine).Up, "status": status(StatusOptions{}), "down": (*Engine).Down,
			} {
				t.Run(name, func(t *testing.T) { s.Refuses(operation, failure.CodeHistoryMismatch, begins+table) })
			}
			if s.HasTable("c") || s.HasTable("goose_db_version_checksum") {
				t.Error("something was changed")
			}
		})
	}
}

func TestAHistoryGoesOnUnderTheNameItHas(t *testing.T) {
	s := three(t)
	s.Goose("-table", "schema_history", "up-to", "2")
	s.Goose("status") // with the wrong table, which it creates
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, begins+"schema_history")
	s.Write(".goose.yml", "driver: postgres\nservice: avion-auth\ntable: schema_history\n")
	s.Must((*Engine).Up)
	if !s.HasTable("c") {
		t.Error("the third migration was not applied")
	}
}

func TestAHistoryOfSomethingElseIsLeftAlone(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Execute(t, "CREATE TABLE other (id serial PRIMARY KEY, version_id bigint, is_applied boolean, tstamp timestamp DEFAULT now());"+
		" GRANT SELECT ON other TO "+s.User)
	s.Must(status(StatusOptions{})) // it holds nothing yet
	s.Execute(t, "INSERT INTO other (version_id, is_applied) VALUES (0, true), (1, true)")
	s.Refuses((*Engine).Up, failure.CodeHistoryMismatch, begins+"other", "migrate repair")
	if _, report := s.Must((*Engine).Repair); !strings.Contains(report, "the history in goose_db_version begins beside that in other") {
		t.Error(report)
	}
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	s.Must((*Engine).Down)
	s.Must((*Engine).Up)
}

func TestTheHistoryOfTheSeedsIsNoHistoryOfMigrations(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Execute(t, "CREATE TABLE a (id int); ALTER TABLE a OWNER TO "+s.User)
	folder, _ := filepath.Abs("migrations-seed")
	s.Goose("-dir", folder, "-table", "goose_seed_version", "up")
	s.Must(status(StatusOptions{}))
}

func TestAVersionThatWasAppliedFromAnotherFileIsNotTakenForThisOne(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, ".copier-answers.yml": "service_name: auth\n"})
	s.Goose("up")
	s.Write("db/migrations/00001_users.sql", createB)
	for _, operation := range []func(*Engine, context.Context) error{(*Engine).Up, status(StatusOptions{}), (*Engine).Down} {
		s.Refuses(operation, failure.CodeHistoryMismatch, "db/migrations/00001_users.sql", "dir in .goose.yml")
	}
	s.Remove("db/migrations/00001_users.sql")
	s.Must((*Engine).Up)
}

func TestNobodyWaitsForTheServicesTablesToFindAHistory(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "CREATE TABLE orders (); GRANT ALL ON orders TO "+s.User)
	s.Execute(t, "BEGIN; LOCK TABLE orders")
	s.Must((*Engine).Up)
	s.Execute(t, "ROLLBACK")
}

func TestTheTimeOfAMigrationHasItsOffset(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "ALTER ROLE "+s.User+" SET timezone = 'Asia/Tokyo'")
	s.Must((*Engine).Up)
	out, _ := s.Must(status(StatusOptions{JSON: true}))
	var document statusDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	applied, err := time.Parse(time.RFC3339, document.Migrations[0].AppliedAt)
	if err != nil || time.Since(applied).Abs() > time.Minute {
		t.Error(document.Migrations[0].AppliedAt, err)
	}
}

func TestTheVersionTableMayBeInASchemaThatIsNotThereYet(t *testing.T) {
	s := newService(t, map[string]string{
		".goose.yml":             "driver: postgres\ntable: own.versions\n",
		"migrations/00001_a.sql": "-- +goose Up\nCREATE SCHEMA IF NOT EXISTS own;\nCREATE TABLE own.a (id int);\n-- +goose Down\nDROP TABLE own.a;\n",
	})
	s.Must((*Engine).Up)
	s.Must((*Engine).Redo)
	if found := s.Value(t, "SELECT count(*) FROM own.versions WHERE version_id = 1"); found != "1" {
		t.Error(found)
	}
}
