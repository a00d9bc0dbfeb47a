package develop

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func (s service) git(arguments ...string) {
	s.T.Helper()
	command := exec.Command("git", arguments...)
	command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.org",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.org")
	if output, err := command.CombinedOutput(); err != nil {
		s.T.Fatalf("git %v: %s%s", arguments, output, err)
	}
}

func (s service) commit() {
	s.T.Helper()
	s.git("add", "--all")
	s.git("commit", "--quiet", "--message=x")
}

// branched is a service with one merged migration, on a branch of its own.
func branched(t *testing.T) service {
	s := newService(t, map[string]string{"migrations/00002_a.sql": createA})
	t.Setenv("GITHUB_ACTIONS", "")
	t.Setenv("DB_HOST", "nowhere.invalid")
	s.git("init", "--quiet", "--initial-branch=main")
	s.commit()
	s.git("switch", "--quiet", "--create=work")
	return s
}

func validateAgainst(base string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error {
		return engine.Validate(ctx, ValidateOptions{Base: base})
	}
}

func TestValidateHoldsTheFilesAgainstTheBase(t *testing.T) {
	s := branched(t)
	s.Write("migrations/00001_b.sql", createB)
	s.Must(validateAgainst(""))
	s.Refuses(validateAgainst("main"), failure.CodeHistoryMismatch, "migrations/00001_b.sql is new", "rename it to 00003_b.sql")
	s.Write(".goose.yml", "driver: postgres\nout_of_order: allow\n")
	s.Must(validateAgainst("main"))
	s.Write("migrations/00002_a.sql", createC)
	s.Refuses(validateAgainst("main"), failure.CodeHistoryMismatch, "migrations/00002_a.sql is not what it is in main")
	s.Refuses(validateAgainst("nope"), failure.CodeRefused, `BASE is "nope"`)
}

func TestProductionMustNotGetWeaker(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	demanding := func(mode string) { s.Write(".goose.yml", "environments:\n  production:\n    ssl_mode: "+mode+"\n") }
	t.Setenv("DB_HOST", "nowhere.invalid")
	s.git("init", "--quiet", "--initial-branch=main")
	demanding("verify-ca")
	s.commit()
	s.git("switch", "--quiet", "--create=work")
	demanding("require")
	s.Must(validateAgainst(""))
	s.Refuses(validateAgainst("main"), failure.CodeRefused, "ssl_mode is require, but main demands verify-ca", "name verify-ca or a stronger one")
	s.Write(".goose.yml", "driver: postgres\n")
	s.Refuses(validateAgainst("main"), failure.CodeRefused, "ssl_mode is require, but main demands verify-ca")
	demanding("verify-full")
	s.Must(validateAgainst("main"))

	// What the base got since then is no weakening here.
	s.git("switch", "--quiet", "main")
	s.commit()
	s.git("switch", "--quiet", "work")
	s.Must(validateAgainst("main"))
}

func TestABaseKnowsItsOwnFolder(t *testing.T) {
	s := branched(t)
	s.git("mv", "migrations", "sql")
	s.Write(".goose.yml", "driver: postgres\ndir: ./sql\n")
	s.commit()
	s.Must(validateAgainst("main"))
	s.Write("sql/00002_a.sql", createC)
	s.Refuses(validateAgainst("main"), failure.CodeHistoryMismatch, "sql/00002_a.sql is not what it is in main")
}

func TestGitHubShowsProblemsBesideTheirLines(t *testing.T) {
	s := branched(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	s.Write("migrations/00002_a.sql", createC)
	s.Write("migrations/00003_half.sql", "-- +goose Up\n\n  -- +goose Down\n")
	s.Write("migrations/notes.sql", "")
	out, _, err := s.Do(validateAgainst("main"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if failure.CodeOf(err) != failure.CodeHistoryMismatch || len(lines) != 3 {
		t.Fatal(out, err)
	}
	for position, want := range []string{
		"::error file=migrations/notes.sql,line=1,title=migrate validate::migrations/notes.sql is not a migration's name",
		"::error file=migrations/00003_half.sql,line=3,title=migrate validate::migrations/00003_half.sql line 3: an indented",
		"::error file=migrations/00002_a.sql,line=1,title=migrate validate::migrations/00002_a.sql is not what it is in main",
	} {
		if !strings.HasPrefix(lines[position], want) {
			t.Errorf("%s\nnot %s", lines[position], want)
		}
	}
}

func TestValidateReadsTheSQL(t *testing.T) {
	if _, err := exec.LookPath("squawk"); err != nil {
		t.Skip("squawk is not on the PATH")
	}
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int);\n\nSELEC 1 2 3;\n-- +goose Down\nDROP TABEL a;\n",
		"migrations/00003_c.sql": "-- squawk-ignore-file syntax-error\n-- +goose Up\nNEW SYNTAX;\n-- +goose Down\nSELECT 1;\n",
		"migrations/00004_d.sql": "-- +goose Up\nDROP TABLE a; -- only dangerous\n-- +goose Down\nSELECT 1;\n",
		// The service's own settings are for lint.
		".squawk.toml": "excluded_paths = [\"migrations/*\"]\n",
	})
	t.Setenv("SQUAWK", "")
	t.Setenv("GITHUB_ACTIONS", "true")
	out, _, err := s.Do(validateAgainst(""))
	if failure.CodeOf(err) != failure.CodeRefused || strings.Count(out, "\n") != 2 ||
		!strings.Contains(out, "file=migrations/00001_a.sql,line=4,") || !strings.Contains(out, "file=migrations/00001_a.sql,line=6,") {
		t.Error(out, err)
	}
}

func TestOnlyWhatCanStillBeCorrectedIsRead(t *testing.T) {
	if _, err := exec.LookPath("squawk"); err != nil {
		t.Skip("squawk is not on the PATH")
	}
	s := branched(t)
	s.Write("migrations/00003_merged.sql", "-- +goose Up\nSYNTAX OF TOMORROW;\n-- +goose Down\nSELECT 1;\n")
	s.commit()
	s.Refuses(validateAgainst(""), failure.CodeRefused, "migrations/00003_merged.sql line 2 is no SQL")
	s.Refuses(validateAgainst("main"), failure.CodeRefused, "migrations/00003_merged.sql line 2 is no SQL")
	s.Must(validateAgainst("work"))
}

func TestValidateNeedsNoSquawkToReadSQL(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nSELEC 1;\n-- +goose Down\nSELECT 1;\n"})
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SQUAWK", "")
	s.Refuses(validateAgainst(""), failure.CodeRefused, "migrations/00001_a.sql line 2 is no SQL")
	t.Setenv("SQUAWK", "/nope/squawk")
	s.Refuses(validateAgainst(""), failure.CodeRefused, "squawk is not there")
}

func TestValidateReadsWhatGooseSends(t *testing.T) {
	s := newService(t, nil)
	for content, want := range map[string]string{
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1;\n$$;": "goose ends",
		"REINDEX DATABASE t1;": "refuses inside a transaction", "CLUSTER;": "refuses inside a transaction", "DROP SUBSCRIPTION s;": "refuses inside a transaction",
		"ALTER SUBSCRIPTION s REFRESH PUBLICATION;": "refuses inside a transaction", "ALTER DATABASE a SET TABLESPACE b;": "refuses inside a transaction",
		"-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\nCOMMIT;\n-- +goose StatementEnd": "line 4 begins or ends a transaction",
		"SELECT 1;\u00a0": "", "CLUSTER a USING i;": "", "ALTER SUBSCRIPTION s DISABLE;": "",
	} {
		s.Write("migrations/00001_a.sql", "-- +goose Up\n"+content+"\n-- +goose Down\nSELECT 1;\n")
		if want == "" {
			s.Must(validateAgainst(""))
		} else {
			s.Refuses(validateAgainst(""), failure.CodeRefused, want)
		}
	}
}

func TestValidateFindsWrongLimits(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations/00002_b.sql": "-- migrate: lock_timeout=1d\n" + createB})
	s.Refuses(validate(false), failure.CodeRefused, "00002_b.sql line 1", "lock_timeout=1d")
}

func TestValidateFindsAHistoryUnderAnotherName(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Goose("-table", "schema_history", "up")
	s.Refuses(validate(true), failure.CodeHistoryMismatch, "schema_history")
}
