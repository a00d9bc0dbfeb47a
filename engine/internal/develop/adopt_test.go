package develop

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/adopt"
)

// grown is a service with a life of its own.
var grown = map[string]string{
	".copier-answers.yml":                  "parts: [compose, github_actions]\n",
	"migrations.mk":                        "migrate-up:\n\t@true\n",
	"Makefile":                             "migrate-up:\n\tgoose -dir ./migrations postgres postgres://app:hunter2@prod/auth up\n",
	"Dockerfile":                           "FROM golang\n# goose up is called below\nRUN go install github.com/pressly/goose/v3/cmd/goose@latest\n",
	"cmd/main.go":                          "package main\n\n//go:embed migrations/*.sql\nvar files embed.FS\n\nfunc main() {\n\tgoose.Up(db, \"migrations\")\n}\n",
	".github/workflows/auth-migration.yml": "on:\n  push:\n    branches: [main, develop]\n",
	".github/workflows/deploy.yml":         "jobs:\n  x:\n    steps:\n      - run: migrate -path db/pairs up\n",
	"db/pairs/000001_a.up.sql":             "CREATE TABLE goose_db_version (id int);\n",
	"db/pairs/000001_a.down.sql":           "",
	"other/00001_x.sql":                    createA,
	"alembic/versions/ab12.py":             "from alembic import op\ndown_revision = None\n",
	"migrations/00001_a.sql":               createA,
	"migrations/00002_b.sql":               "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE c;\n",
	"migrations/00003_c.sql":               "-- +goose Up\nCREATE TABLE c (id int);\n-- +goose Down\nSELECT 1;\n",
	"migrations/00004_d.sql":               "-- +goose Up\nCREATE TABLE d (id int);\n-- +goose Down\nDROP TABLE d;\n",
	"migrations/5_Short.sql":               "-- +goose Up\nCREATE TABLE short (id int);\n-- +goose Down\nDROP TABLE short;\n",
	".gitignore":                           "*_d.sql\n",
	".env.production":                      "DB_PASSWORD=hunter2\n",
	"scripts/load.sh":                      "psql postgres://app:hunter2@db.prod.internal/auth\npsql postgres://app:app@localhost/auth\npsql postgres://app:p@ss@localhost/auth\n",
	"vendor/x/url.go":                      "// postgres://app:hunter2@db.prod.internal/auth\n",
	"app.env":                              "KEY=hunter2\n",
	"example.env":                          "KEY=changeme\n",
}

func (s service) adopted() adopt.Report {
	s.T.Helper()
	out, _ := s.Must(func(e *Engine, ctx context.Context) error { return e.Adopt(ctx, AdoptOptions{JSON: true}) })
	var found adopt.Report
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		s.T.Fatal(out, err)
	}
	if strings.Contains(out, "hunter2") {
		s.T.Error("the page repeats a secret")
	}
	return found
}

func TestAdoptShowsWhatWillBeInTheWayWithItsPlace(t *testing.T) {
	s := newService(t, grown)
	s.git("init", "--quiet", "--initial-branch=master")
	s.git("add", "--all")
	s.git("commit", "--quiet", "--message=The service")
	s.Execute(t, "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (1, false)")
	before := s.gitSays("status", "--porcelain", "--ignored")
	var all []string
	report := s.adopted()
	for _, each := range report.Findings {
		all = append(all, fmt.Sprintf("%s: %s", each.Area, each))
	}
	page := strings.Join(all, "\n")
	for _, want := range []string{
		"Migrations: db/pairs/000001_a.down.sql:1: 2 files of golang-migrate in db/pairs: make -f migrations.mk migrate-import FROM=db/pairs",
		"Migrations: other/00001_x.sql:1: 1 file of goose in other: copy again with --data migrations_dir=other,",
		"Migrations: alembic/versions/ab12.py:1: 1 file of Alembic",
		"Migrations: migrations/5_Short.sql:1: is not a migration's name",
		"Calls of a migration tool: Makefile:2: runs goose up",
		"Calls of a migration tool: Dockerfile:3: runs",
		"Calls of a migration tool: cmd/main.go:7: runs goose.Up",
		"Calls of a migration tool: .github/workflows/deploy.yml:4: runs migrate",
		"Files in the program: cmd/main.go:3: embeds migrations/*.sql",
		"Histories and tables: db/pairs/000001_a.up.sql:1: creates goose_db_version",
		"has a history in schema_migrations (of golang-migrate)",
		"Branches: .github/workflows/auth-migration.yml:3: runs for main, develop, and work is merged to master here",
		"Ignored files: migrations/00004_d.sql: git ignores it, because of .gitignore:1:*_d.sql",
		"Rollbacks: migrations/00002_b.sql: failed: table \"c\"",
		"Secrets in git: .env.production: is in git",
		"Secrets in git: scripts/load.sh:1: holds an address",
		"Secrets in git: app.env: is in git",
		"Makefile: Makefile:2 has a target migrate-up",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	for _, unwanted := range []string{"runs alembic", "Dockerfile:2", "load.sh:2", "load.sh:3", "vendor/", "example.env", "migrations.mk:"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("%q is in\n%s", unwanted, page)
		}
	}
	if after := s.gitSays("status", "--porcelain", "--ignored"); after != before || s.HasTable("goose_db_version") || s.scratches() != "0" {
		t.Error("something was changed")
	}
}

func TestAdoptTriesEveryOldRollback(t *testing.T) {
	files := map[string]string{}
	for name, content := range grown {
		if strings.HasPrefix(name, "migrations/0000") {
			files[name] = content
		}
	}
	s := newService(t, files)
	var found []string
	for _, each := range s.adopted().Findings {
		if each.Area == adopt.Rollbacks {
			found = append(found, each.String())
		}
	}
	if len(found) != 2 || !strings.HasPrefix(found[0], "migrations/00002_b.sql: failed: table \"c\" does not exist") || !strings.Contains(found[0], "check_from") ||
		!strings.HasPrefix(found[1], "migrations/00003_c.sql: does not undo in Down") {
		t.Error(found)
	}
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 4\n")
	if report := s.adopted(); strings.Contains(fmt.Sprint(report.Findings), "Rollbacks") || s.scratches() != "0" {
		t.Error(report)
	}
}

func TestAdoptSaysWhatItCouldNotFindOut(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	t.Setenv("DB_PORT", "1")
	t.Setenv("MIGRATION_CONNECT_TIMEOUT", "0")
	out, report := s.Must(func(e *Engine, ctx context.Context) error { return e.Adopt(ctx, AdoptOptions{}) })
	if !strings.Contains(out, "Not known: rollbacks, which are tried on a throw-away database: ") || !strings.Contains(out, "Not known: branches, ignored files and secrets") ||
		!strings.Contains(report, "nothing is in the way") {
		t.Error(out, report)
	}
}

// gitSays is what git answers.
func (s service) gitSays(arguments ...string) string {
	s.T.Helper()
	output, err := exec.Command("git", arguments...).Output()
	if err != nil {
		s.T.Fatal(err)
	}
	return string(output)
}

// places are the findings of an area, a line each.
func places(report adopt.Report, area adopt.Area) string {
	var all []string
	for _, each := range report.Findings {
		if each.Area == area {
			all = append(all, each.String())
		}
	}
	return strings.Join(all, "\n")
}

func TestAdoptJudgesTheFilesWhereTheyAre(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_init_schema.sql": "-- +goose Up\nCREATE TABLE schema_metadata (id int);\n-- +goose Down\nDROP TABLE schema_metadata;\n",
		"sql/20240101120000_b.sql":         "-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE c;\n",
	})
	report := s.adopted()
	files := places(report, adopt.Files)
	for _, want := range []string{
		"migrations/00001_init_schema.sql:1: is the template's first migration, and the service has others: remove it",
		"sql/20240101120000_b.sql:1: 1 file of goose in sql: copy again with --data migrations_dir=sql,",
		"sql/20240101120000_b.sql:1: is not a migration's name",
	} {
		if !strings.Contains(files, want) {
			t.Errorf("%q is not in\n%s", want, files)
		}
	}
	if found := places(report, adopt.Rollbacks); !strings.HasPrefix(found, "sql/20240101120000_b.sql: failed: table \"c\" does not exist") {
		t.Error(found)
	}
}

func TestAdoptDoesNotJudgeWhatIsImportedAnyway(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/20240101120000_a.up.sql":   "CREATE TABLE a (id int);\n",
		"migrations/20240101120000_a.down.sql": "DROP TABLE b;\n",
	})
	report := s.adopted()
	if found := places(report, adopt.Files); strings.Count(found, "\n") != 0 || !strings.Contains(found, "2 files of golang-migrate in migrations") {
		t.Error(found)
	}
	if unknown := strings.Join(report.Unknown, "\n"); strings.Contains(unknown, "rollbacks") {
		t.Error(unknown)
	}
}

func TestAdoptOffersToLeaveOnlyWhatMayBeLeft(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nALTER TABLE a ALTER COLUMN id SET NULL;\n",
		"migrations/00002_b.sql": "-- +goose Up\nCREATE TABLE;\n-- +goose Down\nDROP TABLE b;\n",
	})
	report := s.adopted()
	found := strings.Split(places(report, adopt.Files), "\n")
	if len(found) != 2 || !strings.Contains(found[0], "00001_a.sql:4: line 4 is no SQL") || !strings.HasSuffix(found[0], leave) ||
		!strings.Contains(found[1], "00002_b.sql:2: line 2 is no SQL") || strings.HasSuffix(found[1], leave) {
		t.Error(strings.Join(found, "\n"))
	}
	tried := strings.Split(places(report, adopt.Rollbacks), "\n")
	if len(tried) != 2 || !strings.HasSuffix(tried[0], leave) || strings.HasSuffix(tried[1], leave) {
		t.Error(strings.Join(tried, "\n"))
	}
}

func TestAdoptRepeatsWhatIsWorthKnowingOfTheServicesOwnFiles(t *testing.T) {
	s := newService(t, map[string]string{
		".copier-answers.yml": "parts: []\n", "migrations.mk": "migrate-up:\n\t@true\n", ".env": "",
		"Makefile":               "ifneq ($(wildcard .env),)\ninclude .env\nexport\nendif\n",
		"migrations/00001_a.sql": createA,
	})
	if found := places(s.adopted(), adopt.Targets); !strings.Contains(found, "exports everything") {
		t.Error(found)
	}
}
