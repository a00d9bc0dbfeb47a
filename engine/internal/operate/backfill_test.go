package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

const (
	createAccounts = "-- +goose Up\nCREATE TABLE accounts (id bigint PRIMARY KEY, user_name text NOT NULL, screen_name text);\n" +
		"INSERT INTO accounts SELECT n, 'name ' || n, CASE WHEN n % 10 = 0 THEN 'name ' || n END FROM generate_series(1, 20000) n;\n" +
		"-- +goose Down\nDROP TABLE accounts;\n"
	header      = "-- backfill: table=accounts key=id batch=20ms load=100%\n"
	screenNames = header + "UPDATE accounts SET screen_name = user_name WHERE id BETWEEN $1 AND $2 AND screen_name IS DISTINCT FROM user_name;\n"
	slowly      = header + "UPDATE accounts SET screen_name = user_name FROM pg_sleep(0.02) WHERE id BETWEEN $1 AND $2;\n"
	jobFile     = "migrations/backfill/screen_names.sql"
)

func backfillOf(name string, options BackfillOptions) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error { return engine.Backfill(ctx, name, options) }
}

// newBackfill is a service with accounts whose screen names are missing, but for every tenth.
func newBackfill(t *testing.T, job string) service {
	t.Helper()
	s := newService(t, map[string]string{"migrations/00001_accounts.sql": createAccounts, jobFile: job})
	s.Must((*Engine).Up)
	return s
}

func (s service) missing() string {
	s.T.Helper()
	return s.Value(s.T, "SELECT count(*) FROM accounts WHERE screen_name IS DISTINCT FROM user_name")
}

func (s service) progress() string {
	s.T.Helper()
	return s.Value(s.T, "SELECT concat_ws(' ', state, scanned, changed) FROM goose_db_version_backfill WHERE job = 'screen_names'")
}

func TestABackfillReachesEveryRowOnce(t *testing.T) {
	s := newBackfill(t, screenNames)
	out, _ := s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.missing() != "0" || s.progress() != "done 20000 18000" {
		t.Error(s.missing(), s.progress())
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last["state"] != "done" || last["rows"] != 20000.0 || last["of"] != 20000.0 {
		t.Error(last, err)
	}
	if _, report := s.Must(backfillOf("screen_names", BackfillOptions{})); !strings.Contains(report, "is done: 20000 rows") {
		t.Error(report)
	}
	if out, _ := s.Must(backfillOf("", BackfillOptions{})); !strings.HasPrefix(out, "done") {
		t.Error(out)
	}
	s.Must(backfillOf("screen_names", BackfillOptions{Restart: true, Unthrottled: true}))
	if s.progress() != "done 20000 0" {
		t.Error(s.progress())
	}
}

func TestABackfillFollowsAnyPrimaryKey(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_follows.sql": "-- +goose Up\nCREATE TABLE \"Follows\" (follower uuid, followee text COLLATE \"C\", since timestamptz DEFAULT now(), " +
			"seen boolean, PRIMARY KEY (follower, followee, since));\nINSERT INTO \"Follows\" SELECT gen_random_uuid(), " +
			"'it''s \"' || n, now() + n * interval '1 microsecond' FROM generate_series(1, 5000) n;\n-- +goose Down\nDROP TABLE \"Follows\";\n",
		jobFile: "-- backfill: table=public.\"Follows\" key=follower,followee,since load=100%\nUPDATE \"Follows\" SET seen = true " +
			"WHERE (follower, followee, since) >= ($1, $2, $3) AND (follower, followee, since) <= ($4, $5, $6);\n",
	})
	s.Must((*Engine).Up)
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.Value(t, `SELECT count(*) FROM "Follows" WHERE seen`) != "5000" || s.progress() != "done 5000 5000" {
		t.Error(s.progress())
	}
}

func TestABackfillNeedsAKeyThatLeadsToEveryRowOnce(t *testing.T) {
	s := newBackfill(t, strings.ReplaceAll(screenNames, "key=id", "key=user_name"))
	s.Write(jobFile, strings.ReplaceAll(strings.ReplaceAll(screenNames, "key=id", "key=user_name"), "id BETWEEN", "user_name BETWEEN"))
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeRefused, "accounts has no unique index on exactly (user_name)")
	s.Execute(t, "CREATE UNIQUE INDEX accounts_some ON accounts (user_name) WHERE id > 5")
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeRefused, "no unique index")
	s.Execute(t, "CREATE UNIQUE INDEX accounts_all ON accounts (user_name)")
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	s.Write(jobFile, strings.ReplaceAll(screenNames, "table=accounts", "table=nowhere"))
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeRefused, "nowhere has no unique index")
}

func TestABackfillIsDoneByOneRunner(t *testing.T) {
	s := newBackfill(t, strings.Replace(slowly, "pg_sleep(0.02)", "pg_sleep(0.5)", 1))
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "0")
	first := make(chan error)
	go func() {
		_, _, err := s.Do(backfillOf("screen_names", BackfillOptions{}))
		first <- err
	}()
	s.await("SELECT to_regclass('goose_db_version_backfill') IS NOT NULL")
	s.await("SELECT EXISTS (SELECT FROM goose_db_version_backfill)")
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeLocked, "another runner has held the lock")
	s.Must(backfillOf("screen_names", BackfillOptions{Pause: true}))
	if err := <-first; failure.CodeOf(err) != failure.CodePending {
		t.Error(err)
	}
}

// await waits until a query says true.
func (s service) await(query string) {
	s.T.Helper()
	for patience := time.Now().Add(20 * time.Second); s.Value(s.T, query) != "true"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(patience) {
			s.T.Fatal("in vain: " + query)
		}
	}
}

func TestABackfillPausesAndGoesOn(t *testing.T) {
	s := newBackfill(t, slowly)
	if _, report := s.Must(backfillOf("screen_names", BackfillOptions{Pause: true})); !strings.Contains(report, "nothing to pause") {
		t.Error(report)
	}
	ended := make(chan error)
	go func() {
		_, _, err := s.Do(backfillOf("screen_names", BackfillOptions{}))
		ended <- err
	}()
	s.await("SELECT to_regclass('goose_db_version_backfill') IS NOT NULL")
	s.await("SELECT coalesce((SELECT batches > 1 FROM goose_db_version_backfill), false)")
	s.Must(backfillOf("screen_names", BackfillOptions{Pause: true}))
	if err := <-ended; failure.CodeOf(err) != failure.CodePending || !strings.Contains(err.Error(), "is paused after") {
		t.Fatal(err)
	}
	if s.missing() == "0" || !strings.HasPrefix(s.progress(), "paused ") {
		t.Error(s.missing(), s.progress())
	}
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.progress() != "done 20000 20000" {
		t.Error(s.progress())
	}
}

func TestAnInterruptedBackfillKeepsWhatItDid(t *testing.T) {
	s := newBackfill(t, slowly)
	ctx, interrupt := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		engine, err := New(terminal.Terminal{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
		if err == nil {
			err = engine.Backfill(ctx, "screen_names", BackfillOptions{})
		}
		ended <- err
	}()
	s.await("SELECT to_regclass('goose_db_version_backfill') IS NOT NULL")
	s.await("SELECT coalesce((SELECT batches > 1 FROM goose_db_version_backfill), false)")
	interrupt()
	if err := <-ended; failure.CodeOf(err) != failure.CodePending || !strings.Contains(err.Error(), "was interrupted after") {
		t.Fatal(err)
	}
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.progress() != "done 20000 20000" {
		t.Error(s.progress())
	}
}

func TestAnEditedBackfillIsNoContinuation(t *testing.T) {
	s := newBackfill(t, strings.Replace(screenNames, "SET", "SET user_name = (1 / (id - 15001))::text,", 1))
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeMigrationFailed, "division by zero", "which are kept")
	s.Write(jobFile, screenNames)
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeHistoryMismatch, "was edited after")
	s.Must(backfillOf("screen_names", BackfillOptions{Restart: true}))
	if s.missing() != "0" {
		t.Error(s.missing())
	}
}

func TestABackfillComesBackToRowsThatSomebodyHolds(t *testing.T) {
	s := newBackfill(t, screenNames)
	s.Execute(t, "BEGIN; UPDATE accounts SET user_name = 'held' WHERE id = 1501")
	time.AfterFunc(4*time.Second, func() { s.Execute(t, "COMMIT") })
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.missing() != "0" || s.Value(t, "SELECT screen_name FROM accounts WHERE id = 1501") != "held" {
		t.Error(s.missing())
	}
}

func TestAStatementThatTakesTooLongIsNoLostConnection(t *testing.T) {
	s := newBackfill(t, header+"UPDATE accounts SET screen_name = user_name FROM pg_sleep(5) WHERE id BETWEEN $1 AND $2;\n")
	t.Setenv("MIGRATION_TIMEOUT", "1")
	s.Refuses(backfillOf("screen_names", BackfillOptions{DryRun: true}), failure.CodeMigrationFailed, "57014", "which are kept")
}

func TestADryRunLeavesNothing(t *testing.T) {
	s := newBackfill(t, screenNames)
	s.Execute(t, "ANALYZE accounts")
	before := s.missing()
	out, report := s.Must(backfillOf("screen_names", BackfillOptions{DryRun: true}))
	var found struct {
		Rows    int64 `json:"rows"`
		Trial   int64 `json:"trial_rows"`
		Changed int64 `json:"trial_changed"`
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Rows != 20000 || found.Trial < 1000 || found.Changed == 0 {
		t.Error(out, err)
	}
	if !strings.Contains(report, "about 20000 rows are left") || s.missing() != before || s.HasTable("goose_db_version_backfill") {
		t.Error(report, s.missing())
	}
}

func TestABackfillNeedsASessionOfItsOwn(t *testing.T) {
	s := newBackfill(t, screenNames)
	s.Write(".goose.yml", "service: avion-auth\nlock: table\n")
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodeRefused, "connect to the server itself")
}

func TestABackfillOfNothingIsDone(t *testing.T) {
	s := newBackfill(t, screenNames)
	s.Execute(t, "TRUNCATE accounts")
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.progress() != "done 0 0" {
		t.Error(s.progress())
	}
}

func TestWithoutJobsThereIsNothingToList(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	if _, report := s.Must(backfillOf("", BackfillOptions{})); !strings.Contains(report, "holds no job") {
		t.Error(report)
	}
	if err := os.MkdirAll("migrations/"+backfill.Jobs.Folder, 0o755); err != nil {
		t.Fatal(err)
	}
}

// begun starts a job and returns its end, once it has done a batch.
func (s service) begun(batches string) <-chan error {
	s.T.Helper()
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.Do(backfillOf("screen_names", BackfillOptions{}))
		ended <- err
	}()
	s.await("SELECT to_regclass('goose_db_version_backfill') IS NOT NULL")
	s.await("SELECT coalesce((SELECT batches >= " + batches + " FROM goose_db_version_backfill), false)")
	return ended
}

func TestRowsThatStayHeldEndABackfillAfterItsPatience(t *testing.T) {
	s := newBackfill(t, screenNames)
	t.Setenv("MIGRATION_RETRY_TIMEOUT", "1")
	s.Execute(t, "BEGIN; UPDATE accounts SET user_name = 'held' WHERE id = 1501")
	s.Refuses(backfillOf("screen_names", BackfillOptions{}), failure.CodePending, "other sessions held the next ones for longer than 1s", "which are kept")
	s.Execute(t, "COMMIT")
	s.Must(backfillOf("screen_names", BackfillOptions{}))
	if s.missing() != "0" {
		t.Error(s.missing())
	}
}

func TestABackfillWhoseStatementAPersonCancelsEnds(t *testing.T) {
	s := newBackfill(t, strings.Replace(slowly, "pg_sleep(0.02)", "pg_sleep(20)", 1))
	ended := s.begun("0")
	s.await("SELECT count(*) FILTER (WHERE pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(20) WHERE id%' AND pid <> pg_backend_pid()")
	if err := <-ended; failure.CodeOf(err) != failure.CodePending || !strings.Contains(err.Error(), "was cancelled after 0 rows") {
		t.Error(err)
	}
}

func TestABackfillOutlivesTheSessionThatWatches(t *testing.T) {
	s := newBackfill(t, slowly)
	ended := s.begun("1")
	s.await("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_stat_progress_vacuum%' AND pid <> pg_backend_pid()")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s.progress() != "done 20000 20000" {
		t.Error(s.progress())
	}
}

func TestABackfillWhoseOwnSessionEndsSaysSo(t *testing.T) {
	s := newBackfill(t, slowly)
	ended := s.begun("1")
	s.await("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(0.02)%' AND pid <> pg_backend_pid()")
	if err := <-ended; failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), "lost its connection after") {
		t.Error(err)
	}
}

func TestAPauseIsNoticedWhileABackfillGivesWay(t *testing.T) {
	s := newBackfill(t, strings.Replace(screenNames, "load=100%", "load=100% max_wal=1kB", 1))
	ended := s.begun("1")
	asked := time.Now()
	s.Must(backfillOf("screen_names", BackfillOptions{Pause: true}))
	if err := <-ended; failure.CodeOf(err) != failure.CodePending || time.Since(asked) > 5*time.Second {
		t.Error(err, time.Since(asked))
	}
	if !strings.HasPrefix(s.progress(), "paused ") {
		t.Error(s.progress())
	}
}
