package trace

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/postgrestest"
)

// dialer opens sessions as the role that owns a test's database.
func dialer(database postgrestest.Database) Dial {
	return func(ctx context.Context, name string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err != nil {
			return nil, err
		}
		var port uint16
		fmt.Sscan(database.Port, &port)
		config.Host, config.Port, config.User, config.Password, config.Database = database.Host, port, database.User, database.Password, name
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		change(config)
		return pgx.ConnectConfig(ctx, config)
	}
}

func file(name string, statements ...string) File {
	made := File{Name: name}
	line := 2
	for _, text := range statements {
		made.Statements = append(made.Statements, migration.Statement{Line: line, Text: text})
		line += 1 + strings.Count(text, "\n")
	}
	return made
}

func open(t *testing.T, database postgrestest.Database) *Server {
	t.Helper()
	server, err := Open(context.Background(), dialer(database), database.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func trace(t *testing.T, server *Server, before []File, files ...File) []Migration {
	t.Helper()
	base, err := server.Base(context.Background(), before)
	if err != nil {
		t.Fatal(err)
	}
	if len(base.Missing) > 0 {
		t.Fatal(base.Missing)
	}
	traced, err := base.Trace(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	return traced
}

func TestWhatAMigrationDoesIsSeen(t *testing.T) {
	server := open(t, postgrestest.New(t))
	before := []File{file("1", "CREATE TABLE a (id bigint PRIMARY KEY, b int)", "CREATE TABLE c (a_id bigint REFERENCES a)", "INSERT INTO a VALUES (1)")}
	for _, migration := range trace(t, server, before,
		file("2", "ALTER TABLE a ADD COLUMN x uuid DEFAULT gen_random_uuid()", "DO $$ BEGIN UPDATE a SET b = 1; END $$", "ALTER TABLE c ALTER a_id SET NOT NULL, ADD CHECK (a_id > 0)", "DELETE FROM a"),
		file("3", "CREATE INDEX i ON a (b)", "SELECT nope()", "ALTER TABLE a OWNER TO nobody_there", "DROP TABLE c"),
		File{Name: "4", NoTransaction: true, Statements: file("", "CREATE INDEX CONCURRENTLY j ON a (b)", "DROP INDEX CONCURRENTLY j", "VACUUM FULL a", "DROP DATABASE postgres").Statements}) {
		for _, statement := range migration.Statements {
			t.Logf("%s %+v", migration.File, statement)
		}
	}
}
