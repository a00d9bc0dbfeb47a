package develop

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

// legacy is what a service had before it took over the rules: a name of its own, a rollback that fails, and none at all.
var legacy = map[string]string{
	"migrations/1_Accounts.sql":  "-- +goose Up\nCREATE TABLE accounts (id int);\n-- +goose Down\nDROP TABLE account;\n",
	"migrations/002_index.sql":   "-- +goose Up\nCREATE INDEX accounts_id ON accounts (id);\n",
	"migrations/00003_later.sql": createA,
}

func TestWhatWasBeforeCheckFromOnlyHasToRun(t *testing.T) {
	s := newService(t, legacy)
	s.Refuses(validate(false), failure.CodeRefused, "is not a migration's name")
	s.Refuses(check, failure.CodeRefused, "is not a migration's name")
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 00003\n")
	if _, report := s.Must(validate(false)); !strings.Contains(report, "3 files are valid") {
		t.Error(report)
	}
	_, report := s.Must(check)
	want := "ok 1_Accounts.sql: up, and no more, because check_from is higher (N ms)\nok 002_index.sql: up, and no more, because check_from is higher (N ms; accounts SHARE)\n" +
		"ok 00003_later.sql: up, down, up (N ms)\nok down to 00002\nok up to 00003 again\n"
	if got := milliseconds.ReplaceAllString(report, "N ms"); !strings.HasPrefix(got, want) || !strings.Contains(got, "2 migrations below check_from can be applied\n1 migration can be") {
		t.Error(got)
	}
	if strings.Contains(report, "accounts_id") {
		t.Error("the index of an old file is judged: " + report)
	}
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 4\n")
	if _, report := s.Must(check); strings.Contains(report, "down to") || !strings.Contains(report, "ok two runners at once") {
		t.Error(report)
	}
}

func TestWhatComesAfterCheckFromIsJudged(t *testing.T) {
	s := newService(t, legacy)
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 3\n")
	for name, content := range map[string]string{
		"migrations/4_Short.sql":    createB,
		"migrations/00004_down.sql": "-- +goose Up\nCREATE TABLE b (id int);\n",
	} {
		s.Write(name, content)
		s.Refuses(validate(false), failure.CodeRefused, name)
		s.Remove(name)
	}
	s.Write("migrations/00004_b.sql", "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE c;\n")
	s.Refuses(check, failure.CodeMigrationFailed, "00004_b.sql failed")
	// What cannot run is refused wherever it stands.
	s.Remove("migrations/00004_b.sql")
	s.Write("migrations/002_index.sql", "-- +goose Up\nCREATE INDEX CONCURRENTLY accounts_id ON accounts (id);\n")
	s.Refuses(validate(false), failure.CodeRefused, "NO TRANSACTION")
	s.Write("migrations/002_index.sql", "-- +goose Up\nCREATE INDEXX accounts_id ON accounts (id);\n")
	s.Refuses(validate(false), failure.CodeRefused, "no SQL that PostgreSQL could read")
}

func TestLintLeavesOutWhatWasBeforeCheckFrom(t *testing.T) {
	if _, err := exec.LookPath("squawk"); err != nil {
		t.Skip("squawk is not on the PATH")
	}
	s := newService(t, legacy)
	s.Write("migrations/00003_later.sql", "-- +goose Up\nCREATE INDEX accounts_again ON accounts (id);\n-- +goose Down\nDROP INDEX accounts_again;\n")
	lint := func(engine *Engine, ctx context.Context) error { return engine.Lint(ctx, "") }
	s.Write(".goose.yml", "driver: postgres\nnaming: goose\n")
	out, _, err := s.Do(lint)
	if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(out, "002_index.sql") || !strings.Contains(out, "00003_later.sql") {
		t.Error(out, err)
	}
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 3\n")
	out, _, err = s.Do(lint)
	if failure.CodeOf(err) != failure.CodeRefused || strings.Contains(out, "002_index.sql") || !strings.Contains(out, "00003_later.sql") {
		t.Error(out, err)
	}
}

func TestCheckFromExemptsNothingNew(t *testing.T) {
	s := branched(t)
	s.Write("migrations/00003_c.sql", createC)
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 3\n")
	s.Must(validateAgainst("main"))
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 4\n")
	s.Refuses(validateAgainst("main"), failure.CodeRefused, "check_from is 00004", "00003_c.sql, which main does not have", "write 00003 or a lower number")
}
