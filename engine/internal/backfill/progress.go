package backfill

import (
	"context"
	"database/sql"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
)

// State is where a job stands.
type State string

// The states of a job. One that was never begun has none.
const (
	Running State = "running"
	Paused  State = "paused"
	Done    State = "done"
)

// Progress is how far a job came, as the database remembers it.
type Progress struct {
	State    State
	Checksum string
	// LastKey is the upper end of the last batch, empty before the first one.
	LastKey Key
	// Scanned rows lay in a batch, Changed ones were written by it.
	Scanned, Changed, Batches int64
	// BatchRows is how many rows a batch holds at the moment.
	BatchRows int
}

// Table is the table beside a version table that remembers every job.
func Table(versions string) string { return versions + "_backfill" }

const columns = `
	job text PRIMARY KEY,
	checksum text NOT NULL,
	state text NOT NULL CHECK (state IN ('running', 'paused', 'done')),
	last_key jsonb,
	scanned bigint NOT NULL DEFAULT 0,
	changed bigint NOT NULL DEFAULT 0,
	batches bigint NOT NULL DEFAULT 0,
	batch_rows integer NOT NULL,
	started_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
`

// ReadProgress returns what is known about every job that was ever begun.
func ReadProgress(ctx context.Context, session *sql.DB, table string) (map[string]Progress, error) {
	type row struct {
		Progress
		job string
	}
	rows, err := sqlscan.All(ctx, session, func(r *row) []any {
		return []any{&r.job, &r.Checksum, &r.State, &r.LastKey, &r.Scanned, &r.Changed, &r.Batches, &r.BatchRows}
	}, "SELECT job, checksum, state, coalesce(last_key::text, '[]'), scanned, changed, batches, batch_rows FROM "+table)
	all := map[string]Progress{}
	for _, each := range rows {
		all[each.job] = each.Progress
	}
	if sqlstate.Is(err, pgerrcode.UndefinedTable) { // no job was ever begun here
		err = nil
	}
	return all, err
}

// begin writes the line of a job that starts from the beginning.
func (r *Runner) begin(ctx context.Context) error {
	if err := history.CreateTable(ctx, r.Session, r.Table, columns); err != nil {
		return err
	}
	r.progress = Progress{State: Running, Checksum: r.Job.Checksum, BatchRows: firstBatch}
	_, err := r.Session.ExecContext(ctx, "INSERT INTO "+r.Table+" (job, checksum, state, batch_rows) VALUES ($1, $2, 'running', $3)"+
		" ON CONFLICT (job) DO UPDATE SET checksum = excluded.checksum, state = 'running', last_key = NULL, scanned = 0, changed = 0,"+
		" batches = 0, batch_rows = excluded.batch_rows, started_at = now(), updated_at = now()",
		r.Job.Name, r.Job.Checksum, firstBatch)
	return err
}

// save writes the progress, and learns whether somebody asked for a pause meanwhile.
func (r *Runner) save(ctx context.Context, in *sql.Tx, now Progress) (State, error) {
	var state State
	err := in.QueryRowContext(ctx, "UPDATE "+r.Table+" SET last_key = $2::text::jsonb,"+
		" scanned = $3, changed = $4, batches = $5, batch_rows = $6, updated_at = clock_timestamp() WHERE job = $1 RETURNING state",
		r.Job.Name, now.LastKey, now.Scanned, now.Changed, now.Batches, now.BatchRows).Scan(&state)
	return state, err
}

// SetState turns a job that was begun into another state; it tells whether there was one.
func SetState(ctx context.Context, session *sql.DB, table, job string, from, to State) (bool, error) {
	result, err := session.ExecContext(ctx, "UPDATE "+table+" SET state = $3, updated_at = now() WHERE job = $1 AND state = $2", job, from, to)
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows == 1, err
}
