package run

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

const recorded = "SELECT coalesce(string_agg(concat_ws(' ', version_id, file, left(checksum, 8), applied_order, engine), ', ' ORDER BY version_id), '') FROM goose_db_version_checksum"

func sum(content string) string { return migration.Checksum([]byte(content))[:8] }

func TestUpRecordsTheChecksumOfEveryFile(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_index.sql": indexA})
	s.must((*Engine).Up)
	got := s.Value(t, recorded)
	for _, want := range []string{"1 00001_a.sql " + sum(createA) + " 2 migrate, goose v", "2 00002_index.sql " + sum(indexA) + " 3 migrate, goose v"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	s.must((*Engine).Down)
	if got := s.Value(t, recorded); strings.Contains(got, "00002") || !strings.Contains(got, "00001") {
		t.Error(got)
	}
}

func TestAFailedMigrationHasNoChecksum(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": createA,
		"migrations/00002_b.sql": "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n",
	})
	s.refuses((*Engine).Up, failure.CodeMigrationFailed)
	if got := s.Value(t, recorded); !strings.HasPrefix(got, "1 ") || strings.Contains(got, "00002") {
		t.Error(got)
	}
	s.write("migrations/00002_b.sql", createB)
	s.must((*Engine).Up)
}

func TestASeedMayBeEdited(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.must((*Engine).Up)
	s.must((*Engine).Seed)
	s.write("migrations-seed/00001_data.sql", strings.Replace(seedA, "1", "2", 1))
	s.must((*Engine).Seed)
	if s.Value(t, "SELECT count(*) FROM a WHERE id = 2") != "1" || s.hasTable("goose_seed_version_checksum") {
		t.Error("the edited seed did not run, or was recorded")
	}
}

func TestTheHistoryOfAnotherToolIsAdoptedOnce(t *testing.T) {
	s := three(t)
	s.goose("up")
	out, report := s.must(status(StatusOptions{}))
	if strings.Count(out, "applied, unrecorded") != 3 || !strings.Contains(report, "3 migrations applied by another tool") {
		t.Error(out, report)
	}
	if s.hasTable("goose_db_version_checksum") || s.hasTable("goose_db_version_environment") {
		t.Error("status changed the database")
	}
	const line = "recorded the checksums of 3 migrations that another tool applied"
	if _, report := s.must((*Engine).Up); !strings.Contains(report, line) {
		t.Error(report)
	}
	if _, report := s.must((*Engine).Up); strings.Contains(report, "recorded") {
		t.Error(report)
	}
	if got := s.Value(t, recorded); strings.Count(got, "another tool") != 3 {
		t.Error(got)
	}
	s.write("migrations/00002_b.sql", createB+"\n")
	s.refuses((*Engine).Up, failure.CodeHistoryMismatch, "00002_b.sql")
}

func TestWhatAnotherToolAppliedAgainIsAdoptedAgain(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.goose("down")
	s.write("migrations/00003_c.sql", createC+"\n")
	s.goose("up")
	if _, report := s.must((*Engine).Up); !strings.Contains(report, "recorded the checksums of 1 migration that another tool applied, as the files are now: 00003_c.sql") {
		t.Error(report)
	}
	if got := s.Value(t, recorded); !strings.Contains(got, "3 00003_c.sql "+sum(createC+"\n")) {
		t.Error(got)
	}
}

func TestRollingBackAdoptsToo(t *testing.T) {
	s := three(t)
	s.goose("up")
	s.must((*Engine).Down)
	if got := s.Value(t, recorded); strings.Count(got, "another tool") != 2 {
		t.Error(got)
	}
	s.must((*Engine).Redo)
	s.expectVersions("0 1 2")
}

func TestALateFileIsAppliedWhereThatIsAllowed(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00003_c.sql": createC})
	s.must((*Engine).Up)
	s.write("migrations/00002_b.sql", createB)
	s.refuses((*Engine).Up, failure.CodeHistoryMismatch, "00002_b.sql", "00004 or higher", "out_of_order: allow")
	s.write(".goose.yml", "out_of_order: allow\n")
	s.must((*Engine).Up)
	s.expectVersions("0 1 3 2")
	out, _ := s.must(status(StatusOptions{JSON: true}))
	var document statusDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	if m := document.Migrations; m[0].Order != 1 || m[1].Order != 3 || m[2].Order != 2 {
		t.Error(out)
	}
	if _, report := s.must((*Engine).Down); !strings.Contains(report, "00002_b.sql") {
		t.Error(report)
	}
	s.must(to("2"))
	s.expectVersions("0 1 2")
	s.must((*Engine).Up)
	s.expectVersions("0 1 2 3")
}

func TestDevelopersMayRedoTheFileThatTheyAreWriting(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.write("migrations/00003_c.sql", strings.Replace(createC, "id int", "id int, name text", 1))
	s.refuses((*Engine).Down, failure.CodeHistoryMismatch, "00003_c.sql")
	if _, report := s.must((*Engine).Redo); !strings.Contains(report, "00003_c.sql was edited after it was applied") {
		t.Error(report)
	}
	s.must((*Engine).Up)
	s.write("migrations/00002_b.sql", createB+"\n")
	s.refuses((*Engine).Redo, failure.CodeHistoryMismatch, "00002_b.sql")
	s.must((*Engine).Repair)
	s.write("migrations/00003_c.sql", createC)
	s.Execute(t, "UPDATE goose_db_version_environment SET environment = 'staging'")
	s.refuses((*Engine).Redo, failure.CodeHistoryMismatch, "00003_c.sql")
}

func TestRepairAcceptsEditsAndSaysWhich(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	if _, report := s.must((*Engine).Repair); !strings.Contains(report, "nothing to repair") {
		t.Error(report)
	}
	rows := s.Value(t, "SELECT string_agg(g::text, ' ') FROM goose_db_version g")
	s.write("migrations/00001_a.sql", createA+"-- more\n")
	s.remove("migrations/00002_b.sql")
	s.write("migrations/00002_better.sql", createB)
	_, report := s.must((*Engine).Repair)
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
	s.must((*Engine).Up)
	s.must(validate(true))
}

func TestRepairLeavesWhatItCannotMend(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.remove("migrations/00001_a.sql")
	s.write("migrations/00002_b.sql", createB+"\n")
	s.refuses((*Engine).Repair, failure.CodeHistoryMismatch, "version 00001 (applied as 00001_a.sql)")
	s.write("migrations/00001_a.sql", createA)
	s.must((*Engine).Up)
}

func TestRepairOfProductionNeedsItsName(t *testing.T) {
	s := three(t)
	s.must((*Engine).Up)
	s.Execute(t, "UPDATE goose_db_version_environment SET environment = 'production'")
	s.write("migrations/00002_b.sql", createB+"\n")
	s.refuses((*Engine).Repair, failure.CodeRefused, "CONFIRM="+s.Name)
	s.refuses((*Engine).Up, failure.CodeHistoryMismatch)
	t.Setenv("CONFIRM", s.Name)
	if _, report := s.must((*Engine).Repair); !strings.Contains(report, "consent: repair in production") {
		t.Error(report)
	}
	s.must((*Engine).Up)
}

func TestTheHistoryOfASchemaOfItsOwn(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.write(".goose.yml", "table: audit.versions\n")
	s.Execute(t, "CREATE SCHEMA audit AUTHORIZATION "+s.User)
	s.must((*Engine).Up)
	if s.Value(t, "SELECT count(*) FROM audit.versions_checksum") != "1" || s.Value(t, "SELECT environment FROM audit.versions_environment") != "test" {
		t.Error("nothing is recorded")
	}
	s.must((*Engine).Down)
}

const begins = "would begin from nothing, although the database has a history in "

func TestAHistoryUnderAnotherNameIsNotBegunAnew(t *testing.T) {
	for _, table := range []string{"schema_history", "elsewhere.goose_db_version", `"Versions"`} {
		t.Run(table, func(t *testing.T) {
			s := three(t)
			s.Execute(t, "CREATE SCHEMA elsewhere AUTHORIZATION "+s.User)
			s.goose("-table", table, "up-to", "2")
			for name, operation := range map[string]func(*Engine, context.Context) error{
				"up": (*Engine).Up, "status": status(StatusOptions{}), "validate": validate(true), "down": (*Engine).Down,
			} {
				t.Run(name, func(t *testing.T) { s.refuses(operation, failure.CodeHistoryMismatch, begins+table) })
			}
			if s.hasTable("c") || s.hasTable("goose_db_version_checksum") {
				t.Error("something was changed")
			}
		})
	}
}

func TestAHistoryGoesOnUnderTheNameItHas(t *testing.T) {
	s := three(t)
	s.goose("-table", "schema_history", "up-to", "2")
	s.goose("status") // with the wrong table, which it creates
	s.refuses((*Engine).Up, failure.CodeHistoryMismatch, begins+"schema_history")
	s.write(".goose.yml", "driver: postgres\nservice: avion-auth\ntable: schema_history\n")
	s.must((*Engine).Up)
	if !s.hasTable("c") {
		t.Error("the third migration was not applied")
	}
}

func TestAHistoryOfSomethingElseIsLeftAlone(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Execute(t, "CREATE TABLE other (id serial PRIMARY KEY, version_id bigint, is_applied boolean, tstamp timestamp DEFAULT now());"+
		" GRANT SELECT ON other TO "+s.User)
	s.must(status(StatusOptions{})) // it holds nothing yet
	s.Execute(t, "INSERT INTO other (version_id, is_applied) VALUES (0, true), (1, true)")
	s.refuses((*Engine).Up, failure.CodeHistoryMismatch, begins+"other", "migrate repair")
	if _, report := s.must((*Engine).Repair); !strings.Contains(report, "the history in goose_db_version begins beside that in other") {
		t.Error(report)
	}
	s.must((*Engine).Up)
	s.must((*Engine).Seed)
	s.must((*Engine).Down)
	s.must((*Engine).Up)
}

func TestTheHistoryOfTheSeedsIsNoHistoryOfMigrations(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Execute(t, "CREATE TABLE a (id int); ALTER TABLE a OWNER TO "+s.User)
	folder, _ := filepath.Abs("migrations-seed")
	s.goose("-dir", folder, "-table", "goose_seed_version", "up")
	s.must(status(StatusOptions{}))
}
