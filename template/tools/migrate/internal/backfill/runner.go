package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"migrate/internal/failure"
)

// Runner brings one job to its end.
type Runner struct {
	Job Job
	// Table remembers the progress.
	Table string
	// Session does the work, and PID is its id in the server. Watcher is another session, which sees what the work does
	// to others; nil lets the job run as fast as it can.
	Session, Watcher *sql.DB
	PID              uint32
	// Say is told what a person should know; Show how far the job is, after every batch.
	Say  func(format string, values ...any)
	Show func(Report)

	progress   Progress
	pressure   pressure
	toldUnseen bool
	// total is how many rows the table is estimated to have.
	total   int64
	started time.Time
	// already is how many rows earlier runs did.
	already int64
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
	if err := r.checkKey(ctx); err != nil {
		return r.explain(ctx, err)
	}
	all, err := ReadProgress(ctx, r.Session, r.Table)
	if err != nil {
		return r.explain(ctx, err)
	}
	known, begun := all[r.Job.Name]
	switch {
	case !begun || restart:
		err = r.begin(ctx)
	case known.State == Done && known.Checksum == r.Job.Checksum:
		r.Say("%s is done: %d rows, %d of them changed: --restart does it again", r.Job.Name, known.Scanned, known.Changed)
		return nil
	case known.Checksum != r.Job.Checksum:
		return failure.HistoryMismatch("%s was edited after it had done %d rows: bring the file back, give the new one another name, "+
			"or begin again with --restart", r.Job.Name, known.Scanned)
	default:
		r.progress = known
		r.progress.State = Running
		_, err = SetState(ctx, r.Session, r.Table, r.Job.Name, Paused, Running)
	}
	if err != nil {
		return r.explain(ctx, err)
	}
	return r.explain(ctx, r.run(ctx))
}

func (r *Runner) run(ctx context.Context) error {
	rest, err := r.estimate(ctx)
	if err != nil {
		return err
	}
	r.total, r.already, r.started = r.progress.Scanned+rest, r.progress.Scanned, time.Now()
	for {
		ended, err := r.step(ctx)
		if err != nil {
			return err
		}
		r.Show(r.report())
		if ended {
			return nil
		}
		if r.progress.State == Paused {
			return failure.Pending("%s is paused after %d rows: run it again to go on", r.Job.Name, r.progress.Scanned)
		}
	}
}

// step does one batch and rests after it; it tells whether that was the end of the table.
func (r *Runner) step(ctx context.Context) (ended bool, err error) {
	if r.Watcher != nil {
		if err := r.giveWay(ctx); err != nil {
			return false, err
		}
	}
	rows, err := r.next(ctx, r.progress.LastKey, r.progress.BatchRows)
	if err != nil {
		return false, err
	}
	if rows.rows == 0 {
		return true, r.finish(ctx)
	}
	took, waiters, err := r.applyPatiently(ctx, rows)
	if err != nil || r.Watcher == nil {
		return false, err
	}
	rest := r.Job.Pace.rest(took)
	if waiters {
		r.progress.BatchRows = clamp(r.progress.BatchRows / 2)
		rest *= 2
	}
	return false, sleep(ctx, rest)
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
	attempts      = 8
	shortestPause = 100 * time.Millisecond
)

// applyPatiently does a batch. Where another session has its rows it tries again, with half of them: a smaller batch
// meets fewer others.
func (r *Runner) applyPatiently(ctx context.Context, rows batch) (took time.Duration, waiters bool, err error) {
	for attempt := range attempts {
		stop := func() bool { return false }
		if r.Watcher != nil {
			stop = r.watch(ctx)
		}
		started := time.Now()
		now, err := r.apply(ctx, rows, false)
		took, waiters = time.Since(started), stop()
		if err == nil {
			now.BatchRows = r.Job.Pace.rowsFor(int(rows.rows), took)
			r.progress = now
			return took, waiters, nil
		}
		if !worthAnotherTry(err) || attempt == attempts-1 || ctx.Err() != nil {
			return 0, false, err
		}
		pause := shortestPause << attempt
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return 0, false, err
		}
		if rows, err = r.next(ctx, r.progress.LastKey, clamp(int(rows.rows/2))); err != nil {
			return 0, false, err
		}
		if rows.rows == 0 { // whoever held them has deleted them
			return 0, false, nil
		}
	}
	return 0, false, errors.New("unreachable")
}

// worthAnotherTry recognises a failure that comes from other sessions or from the size of the batch:
// lock_not_available, deadlock_detected, serialization_failure and query_canceled by statement_timeout.
func worthAnotherTry(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return false
	}
	switch server.Code {
	case "55P03", "40P01", "40001", "57014":
		return true
	}
	return false
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
	var server *pgconn.PgError
	switch {
	case err == nil, errors.As(err, &failed):
		return err
	case ctx.Err() != nil:
		return failure.Pending("%s was interrupted after %d rows, which are kept: run it again to go on", r.Job.Name, r.progress.Scanned)
	case errors.As(err, &server) && !strings.HasPrefix(server.Code, "57P"): // which ends sessions
		return failure.MigrationFailed("%s failed after %d rows, which are kept: %s (SQLSTATE %s): correct the cause and run it again",
			r.Job.Name, r.progress.Scanned, server.Message, server.Code)
	default:
		return failure.Unreachable("%s lost its connection after %d rows, which are kept: run it again to go on", r.Job.Name, r.progress.Scanned)
	}
}
