package outbox

import (
	"context"
	"database/sql"

	"avion.internal/migrate/internal/sqlscan"
)

// Change is a member of a sorted set as its row is now.
type Change struct {
	Key, Member string
	// Score is null where no row gives the member a place in the set.
	Score sql.NullFloat64
}

// Batch is a number of events that this transaction alone may apply.
type Batch struct {
	// Events are the ids to delete once the changes are in Redis.
	Events  []int64
	Changes []Change
	// Token is greater than that of every earlier holder of the keys.
	Token int64
	// Busy counts the events of keys that another transaction works on.
	Busy int
	// Everything tells that the table was truncated: each of its sets may have changed.
	Everything []int64
}

// The events are locked so that two workers take different ones, and then their keys, so that nobody else touches the same
// set: an event of a key that is taken stays for later. Nobody waits for a lock here, so nobody waits for each other.
const takeQuery = `
WITH taken AS MATERIALIZED (
	SELECT id, key FROM {outbox} ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), keys AS MATERIALIZED (
	SELECT key, pg_try_advisory_xact_lock(hashtextextended(key::text, {seed})) AS mine FROM (SELECT DISTINCT key FROM taken) AS each
)
SELECT id, key IS NULL, coalesce(mine, false) FROM taken LEFT JOIN keys USING (key)`

// The snapshot of this statement is younger than the locks, so that it shows every earlier holder's work, and each event's
// own change. The token is drawn with it, for the same reason.
const changesQuery = `
SELECT DISTINCT o.key::text, o.member::text, v.score, (SELECT nextval({sequence}))
FROM {outbox} o LEFT JOIN {view} v ON v.key = o.key AND v.member = o.member
WHERE o.id = ANY($1)`

// Take locks up to limit events and their keys, and reads the rows behind them.
func (s Set) Take(ctx context.Context, tx *sql.Tx, limit int) (Batch, error) {
	var batch Batch
	rows, err := tx.QueryContext(ctx, s.statement(takeQuery), limit)
	if err != nil {
		return batch, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var everything, mine bool
		if err := rows.Scan(&id, &everything, &mine); err != nil {
			return batch, err
		}
		switch {
		case everything:
			batch.Everything = append(batch.Everything, id)
		case mine:
			batch.Events = append(batch.Events, id)
		default:
			batch.Busy++
		}
	}
	if err := rows.Err(); err != nil || len(batch.Events) == 0 {
		return batch, err
	}
	err = s.readChanges(ctx, tx, &batch)
	return batch, err
}

func (s Set) readChanges(ctx context.Context, tx *sql.Tx, batch *Batch) error {
	var err error
	batch.Changes, err = sqlscan.All(ctx, tx, func(c *Change) []any { return []any{&c.Key, &c.Member, &c.Score, &batch.Token} },
		s.statement(changesQuery), batch.Events)
	return err
}

// Delete removes events whose changes are in Redis.
func (s Set) Delete(ctx context.Context, tx *sql.Tx, events []int64) error {
	_, err := tx.ExecContext(ctx, s.statement("DELETE FROM {outbox} WHERE id = ANY($1)"), events)
	return err
}

// Backlog is what waits in an outbox.
type Backlog struct {
	Events int64
	// Oldest is how long the first event has waited, in seconds.
	Oldest float64
}

// longestCount bounds what looking at a backlog costs.
const longestCount = 100_000

const backlogQuery = `
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision
FROM (SELECT created_at FROM {outbox} ORDER BY id LIMIT $1) AS waiting`

// Backlog counts the events, up to a hundred thousand.
func (s Set) Backlog(ctx context.Context, db *sql.DB) (Backlog, error) {
	var found Backlog
	err := db.QueryRowContext(ctx, s.statement(backlogQuery), longestCount).Scan(&found.Events, &found.Oldest)
	return found, err
}
