package trace

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/tablelock"
)

const outsideStanding = `
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE a (id bigint PRIMARY KEY, b int);
CREATE INDEX a_b ON a (b);
CREATE TABLE parts (id int, parent_id int REFERENCES parent) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE INDEX parts_id ON parts (id);
`

// The locks of what runs outside a transaction are gone when it ends. Other sessions are put in its way, one after the other,
// and each time that it waits pg_locks tells what it has and what it asks for.
func TestTheTableOfWhatRunsOutsideATransactionIsWhatTheServerDoes(t *testing.T) {
	for statement, blockers := range map[string][]string{
		"CREATE INDEX CONCURRENTLY i ON a (b)":                    {"LOCK a IN ROW EXCLUSIVE MODE"},
		"CREATE UNIQUE INDEX CONCURRENTLY ON a (b)":               {"LOCK a IN ROW EXCLUSIVE MODE"},
		"DROP INDEX CONCURRENTLY a_b":                             {"LOCK a IN ROW EXCLUSIVE MODE"},
		"REINDEX INDEX CONCURRENTLY a_b":                          {"LOCK a IN ROW EXCLUSIVE MODE"},
		"REINDEX (CONCURRENTLY) TABLE a":                          {"LOCK a IN ROW EXCLUSIVE MODE"},
		"VACUUM a":                                                {"LOCK a IN SHARE MODE"},
		"VACUUM (FULL false, ANALYZE) a, parent":                  {"LOCK a IN SHARE MODE", "LOCK parent IN SHARE MODE"},
		"VACUUM FULL a":                                           {"LOCK a IN ACCESS SHARE MODE"},
		"VACUUM (FULL) parent, a":                                 {"LOCK parent IN ACCESS SHARE MODE", "LOCK a IN ACCESS SHARE MODE"},
		"ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY": {"LOCK ONLY parts IN ACCESS SHARE MODE", "LOCK parts_1 IN ACCESS SHARE MODE", "LOCK parent IN ROW EXCLUSIVE MODE"},
	} {
		t.Run(statement, func(t *testing.T) {
			database := postgrestest.New(t)
			dial := dialer(database)
			server := open(t, database)
			standing := file("standing", outsideStanding)
			traced := trace(t, server, []File{standing}, File{Name: "1", NoTransaction: true, Statements: file("", statement).Statements})
			if !traced[0].Statements[0].Measured() {
				t.Fatal(traced[0].Statements[0].Unmeasured)
			}
			told := map[string]tablelock.Mode{}
			for _, lock := range traced[0].Statements[0].Locks {
				if lock.Kind == "r" || lock.Kind == "p" {
					told[lock.Name] = lock.Mode
				}
			}
			session, err := dial(context.Background(), database.Name, func(*pgx.ConnConfig) {})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close(context.Background())
			if err := run(context.Background(), session, outsideStanding); err != nil {
				t.Fatal(err)
			}
			if seen := seenWhileWaiting(t, dial, database.Name, session, statement, blockers); !maps.Equal(told, seen) {
				t.Errorf("the table says %v, and pg_locks shows %v", told, seen)
			}
		})
	}
}

func seenWhileWaiting(t *testing.T, dial Dial, database string, session *pgx.Conn, statement string, blockers []string) map[string]tablelock.Mode {
	t.Helper()
	ctx := context.Background()
	var held []*pgx.Conn
	for _, blocker := range blockers {
		other, err := dial(ctx, database, func(*pgx.ConnConfig) {})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close(ctx)
		if err := run(ctx, other, "BEGIN; "+blocker); err != nil {
			t.Fatal(err)
		}
		held = append(held, other)
	}
	looker, err := dial(ctx, database, func(*pgx.ConnConfig) {})
	if err != nil {
		t.Fatal(err)
	}
	defer looker.Close(ctx)
	done := make(chan error, 1)
	go func() { done <- run(ctx, session, statement) }()
	seen := map[string]tablelock.Mode{}
	look := func() (waiting bool) {
		rows, err := looker.Query(ctx, `SELECT c.relname::text, l.mode, l.granted FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
			WHERE l.pid = $1 AND l.locktype = 'relation' AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`, session.PgConn().PID())
		if err != nil {
			t.Error(err)
			return false
		}
		var name, mode string
		var granted bool
		if _, err := pgx.ForEachRow(rows, []any{&name, &mode, &granted}, func() error {
			if stored, counts := tablelock.Stored(mode); counts && stored.StrongerThan(seen[name]) {
				seen[name] = stored
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := looker.QueryRow(ctx, "SELECT cardinality(pg_blocking_pids($1)) > 0", session.PgConn().PID()).Scan(&waiting); err != nil {
			t.Error(err)
		}
		return waiting
	}
	waited := 0
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			if waited == 0 {
				t.Error("nothing was in its way")
			}
			return seen
		default:
		}
		if before, after := look(), look(); !before || !after {
			continue
		}
		waited++
		var blocking []uint32
		if err := looker.QueryRow(ctx, "SELECT pg_blocking_pids($1)", session.PgConn().PID()).Scan(&blocking); err != nil {
			t.Fatal(err)
		}
		for _, pid := range blocking {
			for _, other := range held {
				if other.PgConn().PID() == pid {
					run(ctx, other, "ROLLBACK")
				}
			}
		}
	}
	t.Error("it never ended")
	return seen
}
