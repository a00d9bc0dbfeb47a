package dropdb_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/dropdb"
	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

const victim = "dropdb_victim"

// owner is a session of a role that is no superuser and owns the database that is to be dropped.
func owner(t *testing.T) (*pgx.Conn, postgrestest.Database) {
	t.Helper()
	database := postgrestest.New(t)
	session, err := pgx.Connect(context.Background(), database.Address("sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(context.Background()) })
	database.Execute(t, "DROP DATABASE IF EXISTS "+victim)
	database.Execute(t, "CREATE DATABASE "+victim+" OWNER "+sqltext.Name(database.User))
	t.Cleanup(func() { database.Execute(t, "DROP DATABASE IF EXISTS "+victim+" WITH (FORCE)") })
	return session, database
}

func execute(session *pgx.Conn) dropdb.Execute {
	return func(ctx context.Context, statement string) error {
		_, err := session.Exec(ctx, statement)
		return err
	}
}

func visit(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = victim
	visitor, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { visitor.Close(context.Background()) })
	return visitor
}

func there(t *testing.T, database postgrestest.Database) bool {
	t.Helper()
	return database.Value(t, "SELECT count(*) FROM pg_database WHERE datname = "+sqltext.Literal(victim)) == "1"
}

func TestADatabaseGoesTogetherWithItsSessions(t *testing.T) {
	session, database := owner(t)
	visit(t, database.Address("sslmode=disable"))
	if err := dropdb.Force(context.Background(), execute(session), victim); err != nil || there(t, database) {
		t.Error(err)
	}
	if err := dropdb.Force(context.Background(), execute(session), victim); err != nil {
		t.Error("what is not there:", err)
	}
}

// A worker that would vacuum for a long time, beside a session of the role's own.
func TestADatabaseThatIsBeingVacuumedGoesToo(t *testing.T) {
	session, database := owner(t)
	visitor := visit(t, database.Address("sslmode=disable"))
	for _, statement := range []string{
		"CREATE TABLE busy WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1) AS SELECT number, repeat('x', 1000) AS wide FROM generate_series(1, 20000) number",
		"DELETE FROM busy",
	} {
		if _, err := visitor.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	database.Execute(t, "ALTER SYSTEM SET autovacuum_naptime = '1s'")
	t.Cleanup(func() {
		database.Execute(t, "ALTER SYSTEM RESET autovacuum_naptime")
		database.Execute(t, "SELECT pg_reload_conf()")
	})
	database.Execute(t, "SELECT pg_reload_conf()")
	const worker = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = '" + victim + "'"
	for end := time.Now().Add(2 * time.Minute); database.Value(t, worker) == "0"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing vacuums the table")
		}
	}
	if _, err := session.Exec(context.Background(), "DROP DATABASE "+victim+" WITH (FORCE)"); !sqlstate.Is(err, pgerrcode.InsufficientPrivilege) {
		t.Fatalf("PostgreSQL lets an owner's FORCE end a worker (%v): this package is not needed any more", err)
	}
	if err := dropdb.Force(context.Background(), execute(session), victim); err != nil || there(t, database) {
		t.Error(err)
	}
}

func TestSomebodyElsesDatabaseStays(t *testing.T) {
	session, database := owner(t)
	database.Execute(t, "ALTER DATABASE "+victim+" OWNER TO "+sqltext.Name(database.Value(t, "SELECT current_user")))
	if err := dropdb.Force(context.Background(), execute(session), victim); !sqlstate.Is(err, pgerrcode.InsufficientPrivilege) || !there(t, database) {
		t.Error(err)
	}
}

func TestASuperusersSessionKeepsIt(t *testing.T) {
	session, database := owner(t)
	visit(t, os.Getenv(postgrestest.Variable))
	if err := dropdb.Force(context.Background(), execute(session), victim); !sqlstate.Is(err, pgerrcode.ObjectInUse) || !there(t, database) {
		t.Error(err)
	}
}
