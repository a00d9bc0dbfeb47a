package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/patience"
)

// Runner brings one job to its end.
type Runner struct {
	Job Job
	// Table remembers the progress.
	Table string
	// Before leaves out the rows whose key does not begin with an earlier time; zero leaves out none.
	Before time.Time
	// Budget is how much one run may do.
	Budget Budget
	// Session does the work, and PID is its id in the server.
	Session *sql.DB
	PID     uint32
	// OpenWatcher opens another session, which sees what the work does to others; nil lets the job run as fast as it can.
	OpenWatcher func(context.Context) (*sql.DB, error)
	// Patience is how long a batch goes on asking for rows that other sessions hold.
	Patience time.Duration
	// Say is told what a person should know; Show how far the job is, after every batch.
	Say  func(format string, values ...any)
	Show func(Report)

	watcher             *sql.DB
	progress            Progress
	pressure            pressure
	toldLag, toldVacuum bool
	// worked is how long the last slice took, for which the job has not rested yet.
	worked time.Duration
	// vacuumSince is since when the job has seen the table being vacuumed.
	vacuumSince time.Time
	// statementTimeout is the server's, zero for none.
	statementTimeout time.Duration
	// total is how many rows the table is estimated to have.
	total   int64
	started time.Time
	// already and changed are how many rows earlier runs did and changed.
	already, changed int64
}

// Budget bounds a run; what is zero does not.
type Budget struct {
	Rows int64
	Time time.Duration
}

// Report is how far a job is.
type Report struct {
	Job     string `json:"job"`
	State   State  `json:"state"`
	Scanned int64  `json:"rows"`
	Changed int64  `json:"changed"`
	// Total is an estimate.
	Total         int64         `json:"of"`
	BatchRows     int           `json:"batch_rows"`
	RowsPerSecond float64       `json:"rows_per_second"`
	Left          time.Duration `json:"-"`
}

// MarshalJSON writes the time that is left in seconds.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		plain
		ETA float64 `json:"eta_seconds"`
	}{plain(r), r.Left.Seconds()})
}

// Run goes on where the job was left, or begins. A job that is paused goes on, too: that is how it is resumed.
func (r *Runner) Run(ctx context.Context, restart bool) error {
	defer r.closeWatcher()
	known, begun, err := r.prepare(ctx)
	switch {
	case err != nil:
	case !begun || restart:
		err = r.begin(ctx)
	case known.State == Done && known.Checksum == r.Job.Checksum:
		r.Say("%s is done: %d rows, %d of them changed: --restart does it again", r.Job.Name, known.Scanned, known.Changed)
		return nil
	case known.Checksum != r.Job.Checksum:
		return failure.HistoryMismatch("%s was edited after it had done %d rows: bring the file back, give the new one another name, "+
			"or begin again with --restart", r.Job.Name, known.Scanned)
	default:
		err = r.resume(ctx, known)
	}
	if err == nil {
		_, err = r.run(ctx)
	}
	return r.explain(ctx, err)
}

// Repeat goes on where the last run was left, or begins: the job is one that has to be done again and again. It tells what
// this run did, and whether it came to the end.
func (r *Runner) Repeat(ctx context.Context) (Result, error) {
	defer r.closeWatcher()
	known, begun, err := r.prepare(ctx)
	switch {
	case err != nil:
	case !begun || known.State == Done || known.Checksum != r.Job.Checksum:
		err = r.begin(ctx)
	default:
		err = r.resume(ctx, known)
	}
	ended := false
	if err == nil {
		ended, err = r.run(ctx)
	}
	return Result{Scanned: r.progress.Scanned - r.already, Changed: r.progress.Changed - r.changed, Ended: ended}, r.explain(ctx, err)
}

// Result is what one run did.
type Result struct {
	Scanned, Changed int64
	// Ended tells that nothing is left to do.
	Ended bool
}

func (r *Runner) prepare(ctx context.Context) (known Progress, begun bool, err error) {
	if err := r.checkKey(ctx); err != nil {
		return Progress{}, false, err
	}
	var limit float64
	if err := r.Session.QueryRowContext(ctx, "SELECT extract(epoch FROM current_setting('statement_timeout')::interval)::float8").
		Scan(&limit); err != nil {
		return Progress{}, false, err
	}
	r.statementTimeout = time.Duration(limit * float64(time.Second))
	all, err := ReadProgress(ctx, r.Session, r.Table)
	known, begun = all[r.Job.Name]
	return known, begun, err
}

func (r *Runner) resume(ctx context.Context, known Progress) error {
	r.progress = known
	r.progress.State = Running
	_, err := SetState(ctx, r.Session, r.Table, r.Job.Name, Paused, Running)
	return err
}

// run does batches until the end of the table, which it tells, or until the budget is used up.
func (r *Runner) run(ctx context.Context) (ended bool, err error) {
	r.already, r.changed, r.started = r.progress.Scanned, r.progress.Changed, time.Now()
	rest, err := r.estimate(ctx)
	if err != nil {
		return false, err
	}
	r.total = r.progress.Scanned + rest
	for {
		ended, err := r.step(ctx)
		if err != nil {
			return false, err
		}
		r.Show(r.report())
		switch {
		case ended:
			return true, nil
		case r.progress.State == Paused:
			return false, failure.Pending("%s is paused after %d rows: run it again to go on", r.Job.Name, r.progress.Scanned)
		case r.spent():
			return false, nil
		}
	}
}

// spent tells that the run has used up its budget.
func (r *Runner) spent() bool {
	return r.Budget.Rows > 0 && r.progress.Scanned-r.already >= r.Budget.Rows ||
		r.Budget.Time > 0 && time.Since(r.started) >= r.Budget.Time
}

// size is how many rows the next batch shall hold.
func (r *Runner) size() int {
	if r.Budget.Rows == 0 {
		return r.progress.BatchRows
	}
	return int(min(int64(r.progress.BatchRows), r.Budget.Rows-(r.progress.Scanned-r.already)))
}

// step does one batch, and rests after it where others waited for it; it tells whether that was the end of the table.
func (r *Runner) step(ctx context.Context) (ended bool, err error) {
	if r.OpenWatcher != nil {
		if err := r.giveWay(ctx); err != nil || r.progress.State == Paused || r.spent() {
			return false, err
		}
	}
	rows, err := r.next(ctx, r.Session, r.progress.LastKey, nil, r.size())
	if err != nil {
		return false, err
	}
	if rows.rows == 0 {
		return true, r.finish(ctx)
	}
	took, waiters, err := r.applyPatiently(ctx, rows)
	if err != nil || !waiters || r.progress.State == Paused {
		return false, err
	}
	r.progress.BatchRows = clamp(r.progress.BatchRows / 2)
	return false, sleep(ctx, took)
}

// finish ends a job, also one that somebody paused after its last batch: there is nothing left to go on with.
func (r *Runner) finish(ctx context.Context) error {
	for _, from := range []State{Running, Paused} {
		if _, err := SetState(ctx, r.Session, r.Table, r.Job.Name, from, Done); err != nil {
			return err
		}
	}
	r.progress.State, r.total = Done, r.progress.Scanned
	return nil
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
)

// applyPatiently does a batch. Where another session has its rows, or where it takes too long, it tries again with half of
// them: a smaller batch meets fewer others.
func (r *Runner) applyPatiently(ctx context.Context, rows batch) (took time.Duration, waiters bool, err error) {
	backoff := patience.Backoff(r.Patience, shortestPause, longestPause, func(time.Duration) {})
	told := false
	for {
		stop := func() bool { return false }
		if r.watcher != nil {
			stop = r.watch(ctx)
		}
		started := time.Now()
		err := r.work(ctx, rows)
		took, waiters = time.Since(started), stop()
		if err == nil {
			r.progress.BatchRows = r.Job.Pace.rowsFor(int(rows.rows), took)
			return took, waiters, nil
		}
		pause, over := backoff.Next()
		if err := r.obstacle(ctx, err, rows, took, over); err != nil {
			return 0, false, err
		}
		if !told {
			told = true
			r.Say("%s tries a batch again, with half of its rows: %s", r.Job.Name, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, false, err
		}
		if paused, err := r.paused(ctx); err != nil || paused {
			return 0, false, err
		}
		if rows, err = r.next(ctx, r.Session, r.progress.LastKey, nil, clamp(int(rows.rows/2))); err != nil {
			return 0, false, err
		}
		if rows.rows == 0 { // whoever held them has deleted them
			return 0, false, nil
		}
	}
}

// paused asks whether somebody wants a pause.
func (r *Runner) paused(ctx context.Context) (bool, error) {
	all, err := ReadProgress(ctx, r.Session, r.Table)
	if err == nil && all[r.Job.Name].State == Paused {
		r.progress.State = Paused
	}
	return r.progress.State == Paused, err
}

// obstacle is nil where a batch that failed is worth another try: where other sessions were in its way, for as long as
// patience lasts, and where it took longer than a statement may, as long as it can become smaller.
func (r *Runner) obstacle(ctx context.Context, err error, rows batch, took time.Duration, over bool) error {
	var server *pgconn.PgError
	if ctx.Err() != nil || !errors.As(err, &server) {
		return err
	}
	switch server.Code {
	case pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected, pgerrcode.SerializationFailure:
		if !over {
			return nil
		}
		return failure.Because(err, failure.Pending("%s stopped after %d rows, which are kept: other sessions held the next ones for longer than %s "+
			"(%s, SQLSTATE %s): run it again to go on, or raise MIGRATION_RETRY_TIMEOUT",
			r.Job.Name, r.progress.Scanned, r.Patience, server.Message, server.Code))
	case pgerrcode.QueryCanceled: // by the statement timeout or by a person
		if r.statementTimeout == 0 || took < r.statementTimeout {
			return failure.Because(err, failure.Pending("%s was cancelled after %d rows, which are kept (%s, SQLSTATE %s): run it again to go on",
				r.Job.Name, r.progress.Scanned, server.Message, server.Code))
		}
		if rows.rows > smallestBatch {
			return nil
		}
	}
	return err
}

func (r *Runner) report() Report {
	report := Report{
		Job: r.Job.Name, State: r.progress.State, Scanned: r.progress.Scanned, Changed: r.progress.Changed,
		Total: max(r.total, r.progress.Scanned), BatchRows: r.progress.BatchRows,
	}
	if elapsed := time.Since(r.started).Seconds(); elapsed > 0 {
		report.RowsPerSecond = float64(r.progress.Scanned-r.already) / elapsed
	}
	if report.RowsPerSecond > 0 {
		report.Left = time.Duration(float64(report.Total-report.Scanned) / report.RowsPerSecond * float64(time.Second))
	}
	return report
}

// explain says what happened to a job, and that nothing of it is lost.
func (r *Runner) explain(ctx context.Context, err error) error {
	var failed *failure.Error
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return failure.Because(err, r.ended(ctx, err))
}

func (r *Runner) ended(ctx context.Context, err error) error {
	var server *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return failure.Pending("%s was interrupted after %d rows, which are kept: run it again to go on", r.Job.Name, r.progress.Scanned)
	case connection.Lost(err):
		return failure.Unreachable("%s lost its connection after %d rows, which are kept: run it again to go on", r.Job.Name, r.progress.Scanned)
	case errors.As(err, &server):
		return failure.MigrationFailed("%s failed after %d rows, which are kept: %s (SQLSTATE %s): correct the cause and run it again",
			r.Job.Name, r.progress.Scanned, server.Message, server.Code)
	default:
		return failure.MigrationFailed("%s failed after %d rows, which are kept: %w: correct the cause and run it again",
			r.Job.Name, r.progress.Scanned, err)
	}
}
