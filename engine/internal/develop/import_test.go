package develop

import (
	"context"
	"os"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/schema"
)

func importFrom(folder string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error { return engine.Import(ctx, folder) }
}

// pairs are golang-migrate's.
var pairs = map[string]string{
	"db/migrations/000001_users.up.sql":   "BEGIN;\nCREATE TABLE users (id int PRIMARY KEY, at timestamptz);\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN 1;\nEND $$;\nCOMMIT;\n",
	"db/migrations/000001_users.down.sql": "DROP FUNCTION f; DROP TABLE users;",
	"db/migrations/000002_index.up.sql":   "CREATE INDEX CONCURRENTLY users_at ON users (at);",
	"db/migrations/000002_index.down.sql": "DROP INDEX CONCURRENTLY users_at;",
	"db/migrations/000003_note.up.sql":    "ALTER TABLE users ADD COLUMN note text DEFAULT 'a;\nb';",
}

func (s service) schemaNow() schema.Schema {
	s.T.Helper()
	engine, err := New(s.Silence())
	if err != nil {
		s.T.Fatal(err)
	}
	session, err := engine.Open(context.Background())
	if err != nil {
		s.T.Fatal(err)
	}
	defer session.Close()
	found, err := schema.Read(context.Background(), session.DB, "goose_db_version", "schema_migrations")
	if err != nil {
		s.T.Fatal(err)
	}
	return found
}

func TestImportedFilesMakeTheSameSchemaAndGoOnFromThere(t *testing.T) {
	s := newService(t, pairs)
	s.Execute(t, "SET ROLE "+s.User+"; "+pairs["db/migrations/000001_users.up.sql"])
	s.Execute(t, "SET ROLE "+s.User+"; CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (1, true)")
	s.Refuses(importFrom(""), failure.CodeHistoryMismatch, "golang-migrate, which left a migration half done", "let golang-migrate finish it")
	s.Execute(t, "UPDATE schema_migrations SET dirty = false")
	out, report := s.Must(importFrom(""))
	if !strings.Contains(out, "db/migrations/000002_index.up.sql + db/migrations/000002_index.down.sql -> migrations/00002_index.sql") || !strings.Contains(report, "nothing was written") {
		t.Fatal(out, report)
	}
	t.Setenv("CONFIRM", "yes")
	_, report = s.Must(importFrom(""))
	for _, want := range []string{"3 migrations were written to ./migrations, and nothing was deleted", "check_from: 00004", "this database has them up to 00001: next make migrate-baseline VERSION=00001"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	s.Refuses(importFrom(""), failure.CodeRefused, "migrations/00001_users.sql has the number that")
	t.Setenv("CONFIRM", s.Name)
	s.Must(func(e *Engine, ctx context.Context) error { return e.Baseline(ctx, "1", operate.BaselineOptions{}) })
	s.Must(func(e *Engine, ctx context.Context) error { return e.Up(ctx) })
	s.ExpectVersions("0 1 2 3")
	taken := s.schemaNow()
	s.Write(".goose.yml", "driver: postgres\ncheck_from: 00004\n")
	s.Must(validate(false))
	s.Must(check)
	t.Setenv("CONFIRM", os.Getenv("DB_NAME"))
	s.Execute(t, "DROP TABLE users; DROP FUNCTION f; DROP TABLE schema_migrations, goose_db_version, goose_db_version_checksum")
	s.Must(func(e *Engine, ctx context.Context) error { return e.Up(ctx) })
	if difference := schema.Diff(taken, s.schemaNow()); difference != "" {
		t.Error(difference)
	}
}

func TestImportTakesNoNumberThatIsTaken(t *testing.T) {
	s := newService(t, pairs)
	s.Write("migrations/00001_init_schema.sql", createA)
	s.Refuses(importFrom(""), failure.CodeRefused, "migrations/00001_init_schema.sql has the number", "first migration of the template")
	s.Write("sql/1_a.up.sql", "SELECT 1;")
	s.Refuses(importFrom(""), failure.CodeRefused, "db/migrations, sql", "FROM=")
	s.Refuses(importFrom("nowhere"), failure.CodeRefused, "nowhere cannot be read")
}

func TestImportOfDbmateWantsNoGap(t *testing.T) {
	s := newService(t, map[string]string{
		"db/20240101000000_a.sql": "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n",
		"db/20240201000000_b.sql": "-- migrate:up\nCREATE TABLE b ();\n-- migrate:down\nDROP TABLE b;\n",
	})
	s.Execute(t, "SET ROLE "+s.User+"; CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240201000000')")
	s.Refuses(importFrom("db"), failure.CodeHistoryMismatch, "has 20240201000000, but not 20240101000000")
	s.Execute(t, "INSERT INTO schema_migrations VALUES ('20240101000000')")
	t.Setenv("CONFIRM", "yes")
	if _, report := s.Must(importFrom("db/")); !strings.Contains(report, "make migrate-baseline VERSION=00002") {
		t.Error(report)
	}
}

func TestImportNeedsNoDatabase(t *testing.T) {
	s := newService(t, pairs)
	t.Setenv("DB_PORT", "1")
	t.Setenv("MIGRATION_CONNECT_TIMEOUT", "0")
	t.Setenv("CONFIRM", "yes")
	if _, report := s.Must(importFrom("")); !strings.Contains(report, "no database was asked how far golang-migrate has come") || !strings.Contains(report, "VERSION=00003") {
		t.Error(report)
	}
}
