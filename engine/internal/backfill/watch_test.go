package backfill

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/postgrestest"
)

// open opens one session as the database's owner, who is no superuser.
func open(t *testing.T, database postgrestest.Database) (session *sql.DB, pid uint32) {
	t.Helper()
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(database.User, database.Password), Path: database.Name,
		RawQuery: url.Values{"host": {database.Host}, "port": {database.Port}, "sslmode": {"disable"}}.Encode(),
	}
	session, err := sql.Open("pgx", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	session.SetMaxOpenConns(1)
	return session, pidOf(t, session)
}

func pidOf(t *testing.T, session *sql.DB) (pid uint32) {
	t.Helper()
	if err := session.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestTheSessionThatWatchesOutlivesABatchThatEndsWhileItLooks(t *testing.T) {
	watcher, pid := open(t, postgrestest.New(t))
	runner := Runner{Job: Job{Pace: Pace{Batch: 2 * time.Millisecond}}, watcher: watcher}
	for range 200 {
		stop := runner.watch(context.Background())
		time.Sleep(1200 * time.Microsecond)
		stop()
	}
	if now := pidOf(t, watcher); now != pid {
		t.Errorf("session %d watches, not %d", now, pid)
	}
}

func TestSessionsOfOtherRolesThatWaitAreSeen(t *testing.T) {
	database := postgrestest.New(t)
	session, pid := open(t, database)
	watcher, _ := open(t, database)
	runner := Runner{Job: Job{Pace: Pace{Batch: time.Second}}, watcher: watcher, PID: pid}
	if _, err := session.Exec("CREATE TABLE accounts AS SELECT 1 AS id"); err != nil {
		t.Fatal(err)
	}
	for _, waits := range []bool{false, true} {
		batch, err := session.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := batch.Exec("UPDATE accounts SET id = 1"); err != nil {
			t.Fatal(err)
		}
		through := make(chan struct{})
		go func() {
			defer close(through)
			if waits {
				database.Execute(t, "UPDATE accounts SET id = 1")
			}
		}()
		stop := runner.watch(context.Background())
		time.Sleep(800 * time.Millisecond)
		if stop() != waits {
			t.Errorf("a session waits: %t, which the watcher does not see", waits)
		}
		if err := batch.Commit(); err != nil {
			t.Fatal(err)
		}
		<-through
	}
}

func TestAVacuumThatCannotBeSeenIsToldOnce(t *testing.T) {
	database := postgrestest.New(t)
	watcher, _ := open(t, database)
	if _, err := watcher.Exec("CREATE TABLE accounts AS SELECT n AS id FROM generate_series(1, 10000) n"); err != nil {
		t.Fatal(err)
	}
	var told []string
	runner := Runner{Job: Job{Table: "accounts"}, watcher: watcher, Say: func(format string, _ ...any) { told = append(told, format) }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, statement := range []string{"SET vacuum_cost_delay = 100", "SET vacuum_cost_limit = 5", "VACUUM accounts"} {
			database.Execute(t, statement)
		}
	}()
	for seen := 0; seen < 3; {
		now, err := runner.look(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		runner.tellUnseen(now)
		select {
		case <-ended:
			t.Fatalf("the vacuum was seen %d times", seen)
		default:
		}
		if now.unseenVacuum {
			seen++
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "GRANT pg_read_all_stats") {
		t.Error(told)
	}
	<-ended
}

func TestTwoFirstJobsMayMakeTheTableAtOnce(t *testing.T) {
	database := postgrestest.New(t)
	first, _ := open(t, database)
	second, _ := open(t, database)
	for range 30 {
		if _, err := first.Exec("DROP TABLE IF EXISTS progress"); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for _, session := range []*sql.DB{first, second} {
			both.Go(func() {
				if err := history.CreateTable(context.Background(), session, "progress", columns); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
}

func TestWhatIsNoServersErrorIsNoLostConnection(t *testing.T) {
	runner := Runner{Job: Job{Name: "count"}}
	for err, code := range map[error]failure.Code{
		errors.New("the plan cannot be read"): failure.CodeMigrationFailed,
		net.ErrClosed:                         failure.CodeUnreachable,
	} {
		if explained := runner.explain(context.Background(), err); failure.CodeOf(explained) != code {
			t.Errorf("%v: %v", err, explained)
		}
	}
}
