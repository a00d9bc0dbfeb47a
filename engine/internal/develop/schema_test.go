package develop

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func schemaFile(check bool) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error {
		return engine.SchemaFile(ctx, SchemaOptions{Check: check})
	}
}

func TestTheSchemaIsWrittenAndHeldAgainstTheMigrations(t *testing.T) {
	s := newServiceWithTestdb(t)
	major := s.Value(t, "SELECT current_setting('server_version_num')::int / 10000")
	if findPgDump(context.Background(), major) == "" {
		s.Refuses(schemaFile(false), failure.CodeRefused, "no pg_dump of PostgreSQL "+major, "permission denied", "postgresql-client-"+major)
		t.Skip("no pg_dump of the server's major version")
	}
	if _, report := s.Must(schemaFile(true)); !strings.Contains(report, "schema.sql is not there: nothing to compare") {
		t.Error(report)
	}
	s.Must(schemaFile(false))
	s.Must(schemaFile(true))
	content, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	if !strings.Contains(text, "CREATE TABLE public.a (\n    id integer\n);") {
		t.Error(text)
	}
	for _, word := range []string{"goose", "restrict ", "Dumped", "OWNER", "\n\n\n"} {
		if strings.Contains(text, word) {
			t.Errorf("%q is in\n%s", word, text)
		}
	}
	s.Write("migrations/00002_b.sql", createB)
	s.Refuses(schemaFile(true), failure.CodeRefused, "schema.sql is not what the migrations make", "make migrate-schema")
	if _, report := s.Must(schemaFile(false)); !strings.Contains(report, "wrote schema.sql") {
		t.Error(report)
	}
	s.Write("schema.sql", strings.Replace(text, "PostgreSQL "+major, "PostgreSQL 9", 1))
	if _, report := s.Must(schemaFile(true)); !strings.Contains(report, "was written on PostgreSQL 9") {
		t.Error(report)
	}
	s.Write("schema.sql", "")
	s.Write(".goose.yml", "driver: postgres\nschema: db/structure.sql\n")
	s.Write("db/.gitkeep", "")
	s.Must(schemaFile(false))
	if _, err := os.Stat("db/structure.sql"); err != nil {
		t.Error(err)
	}
	t.Setenv("ENVIRONMENT", "staging")
	s.Refuses(schemaFile(false), failure.CodeRefused)
}

func TestMinorReleasesWriteTheSameSchema(t *testing.T) {
	const first = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.1\n-- Dumped by pg_dump version 15.2 (Debian)\n\n" +
		"SET lock_timeout = 0;\n\n--\n-- Name: a; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.a (\n    id integer\n);\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n"
	second := strings.NewReplacer("15.1", "15.18", "15.2 (Debian)", "15.17", "\\restrict abc\n\n", "", "\\unrestrict abc\n", "").Replace(first)
	one, other := string(normalised([]byte(first), "15")), string(normalised([]byte(second), "15"))
	if one != other || !strings.Contains(one, "CREATE TABLE public.a") || strings.Contains(one, "Dumped") {
		t.Errorf("%s\n%s", one, other)
	}
}

func TestAnotherMajorVersionsPgDumpIsNotTaken(t *testing.T) {
	if _, err := exec.LookPath("pg_dump"); err != nil {
		t.Skip(err)
	}
	if found := findPgDump(context.Background(), "8"); found != "" {
		t.Error(found)
	}
}
