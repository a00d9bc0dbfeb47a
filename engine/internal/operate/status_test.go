package operate

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func status(options StatusOptions) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error { return engine.Status(ctx, options) }
}

func TestStatusChangesNothing(t *testing.T) {
	s := three(t)
	out, report := s.Must(status(StatusOptions{}))
	if strings.Count(out, "pending") != 3 || !strings.Contains(report, "is at 00000, 3 migrations pending") {
		t.Error(out, report)
	}
	if s.HasTable("goose_db_version") {
		t.Error("the version table was created")
	}
}

func TestStatusTellsPendingByExitCode(t *testing.T) {
	s := three(t)
	s.Refuses(status(StatusOptions{ExitCode: true}), failure.CodePending, "3 migrations pending")
	s.Must((*Engine).Up)
	s.Must(status(StatusOptions{ExitCode: true}))
}

func TestStatusShowsAHistoryThatItRefuses(t *testing.T) {
	s := three(t)
	s.Must((*Engine).Up)
	s.Remove("migrations/00001_a.sql")
	s.Write("migrations/00002_other.sql", createB)
	out, _, err := s.Do(status(StatusOptions{JSON: true, ExitCode: true}))
	if failure.CodeOf(err) != failure.CodeHistoryMismatch {
		t.Error(err)
	}
	var document statusDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, entry := range document.Migrations {
		states = append(states, string(entry.State))
	}
	if got := strings.Join(states, " "); got != "missing applied duplicate applied" || document.Version != 3 || document.Pending != 0 {
		t.Errorf("%s %+v", got, document)
	}
}

func TestVersionIsTheHighestApplied(t *testing.T) {
	s := three(t)
	version := func(asJSON bool) func(*Engine, context.Context) error {
		return func(engine *Engine, ctx context.Context) error {
			return engine.Version(ctx, VersionOptions{JSON: asJSON})
		}
	}
	if out, _ := s.Must(version(false)); out != "00000\n" {
		t.Error(out)
	}
	s.Must((*Engine).Up)
	if out, _ := s.Must(version(false)); out != "00003\n" {
		t.Error(out)
	}
	out, _ := s.Must(version(true))
	var document versionDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil || document != (versionDocument{s.Name, "test", 3, 0}) {
		t.Error(out, err)
	}
}

func TestVersionTellsByItsExitCodeWhatIsPending(t *testing.T) {
	s := three(t)
	strict := func(engine *Engine, ctx context.Context) error {
		return engine.Version(ctx, VersionOptions{ExitCode: true})
	}
	s.Refuses(strict, failure.CodePending, "3 migrations pending")
	s.Must((*Engine).Up)
	s.Must(strict)
	s.Write("migrations/00001_a.sql", createB)
	s.Refuses(strict, failure.CodeHistoryMismatch, "edited after it was applied")
}

func TestPlanIsTheSQLOfWhatIsPending(t *testing.T) {
	s := three(t)
	s.Must(to("2"))
	s.Write("migrations/00004_index.sql", indexA)
	out, _ := s.Must(showPlan)
	want := "-- 00003_c.sql\nCREATE TABLE c (id int);\n\n-- 00004_index.sql (NO TRANSACTION)\n" +
		"-- names a (0 bytes, about 0 rows)\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\n"
	if out != want {
		t.Errorf("%q", out)
	}
	s.ExpectVersions("0 1 2")
}

func TestPingTellsWhatIsAtTheOtherEnd(t *testing.T) {
	s := three(t)
	out, _ := s.Must((*Engine).Ping)
	for _, want := range []string{"PostgreSQL ", "database " + s.Name, "user " + s.User, "no TLS (sslmode disable)", "environment test", " ms"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}

func TestTheServerKnowsTheSessionsLimits(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a AS SELECT name, setting FROM pg_settings" +
		" UNION ALL SELECT 'custom.environment', current_setting('custom.environment');\n-- +goose Down\nDROP TABLE a;\n"})
	t.Setenv("MIGRATION_TIMEOUT", "9")
	t.Setenv("PGOPTIONS", "-c custom.environment=production -c lock_timeout=0 -c statement_timeout=0")
	s.Must((*Engine).Up)
	for name, want := range map[string]string{
		"application_name": "migrate/avion-auth", "statement_timeout": "9000", "lock_timeout": "3000", "custom.environment": "test",
		"idle_in_transaction_session_timeout": "60000", "client_connection_check_interval": "2000",
	} {
		if got := s.Value(t, "SELECT setting FROM a WHERE name = '"+name+"'"); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}
