package runlock

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
)

func leased(t *testing.T) (*Lease, *sql.DB, postgrestest.Database) {
	t.Helper()
	database := postgrestest.New(t)
	parsed, err := pgx.ParseConfig(database.Address("sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	parsed.DefaultQueryExecMode = pgx.QueryExecModeExec
	session := stdlib.OpenDB(*parsed)
	t.Cleanup(func() { session.Close() })
	lease := &Lease{Database: database.Name, Table: "goose_db_version", Say: func(string, ...any) {}}
	if err := lease.Acquire(context.Background(), session); err != nil {
		t.Fatal(err)
	}
	return lease, session, database
}

func TestALeaseThatIsTakenAwayEndsTheRun(t *testing.T) {
	lease, session, database := leased(t)
	kept := lease.Keep(context.Background(), session)
	database.Execute(t, "UPDATE goose_db_version_lock SET holder = 'another'")
	select {
	case <-kept.Done():
	case <-time.After(2 * heartbeat):
		t.Fatal("nobody noticed")
	}
	if err := context.Cause(kept); failure.CodeOf(err) != failure.CodeUnreachable {
		t.Error(err)
	}
	lease.Release(session)
	if left := database.Value(t, "SELECT holder FROM goose_db_version_lock"); left != "another" {
		t.Errorf("%q was released", left)
	}
}

func TestALeaseIsRenewedWhileItIsHeld(t *testing.T) {
	lease, session, database := leased(t)
	const expires = "SELECT expires FROM goose_db_version_lock"
	before := database.Value(t, expires)
	kept := lease.Keep(context.Background(), session)
	time.Sleep(heartbeat + time.Second)
	if after := database.Value(t, expires); after == before || kept.Err() != nil {
		t.Errorf("%s, %v", after, kept.Err())
	}
	lease.Release(session)
	if left := database.Value(t, "SELECT count(*) FROM goose_db_version_lock"); left != "0" {
		t.Error(left)
	}
}
