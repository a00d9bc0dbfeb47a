// Package runlock lets one runner at a time work on a database. It never lets a run go on that has lost the lock.
//
// May import: failure, history, sqltext.
package runlock

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

const (
	shortestPause = 250 * time.Millisecond
	longestPause  = time.Second
)

// Advisory is PostgreSQL's advisory lock of one version table. The server releases it when the session that took it
// ends, however it ends.
type Advisory struct {
	Database string
	Table    string
	Timeout  time.Duration
	// Say is told who holds the lock while the runner waits.
	Say func(format string, values ...any)
}

// Key is the lock's id: the first eight bytes of the SHA-256 of "<database>/<version table>", as a signed number.
func (a Advisory) Key() int64 {
	sum := sha256.Sum256([]byte(a.Database + "/" + a.Table))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// Acquire takes the lock for the session, or gives up after the timeout. It asks again and again instead of waiting in
// the server, because a session that waits there holds a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots.
func (a Advisory) Acquire(ctx context.Context, session *sql.DB) error {
	deadline := time.Now().Add(a.Timeout)
	told := holder{}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		var taken bool
		if err := session.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", a.Key()).Scan(&taken); err != nil {
			return a.failed(ctx, err)
		}
		if taken {
			return nil
		}
		current, err := a.holder(ctx, session)
		if err != nil {
			return a.failed(ctx, err)
		}
		if time.Now().Add(pause).After(deadline) {
			return failure.Locked("another runner has held the lock of %s for more than %s: %s: "+
				"wait for it to finish and run again, or raise MIGRATION_LOCK_TIMEOUT", a.Database, a.Timeout, current)
		}
		if current != told && current.found() {
			a.Say("waiting up to %s for the lock of %s: held by %s", a.Timeout, a.Database, current)
			told = current
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Guard is a statement that fails where the session does not have the lock: a file can let go of it (pg_advisory_unlock_all,
// DISCARD ALL), and behind a pooler another session of the server has it. Sent ahead of the line in the version table, it keeps
// the transaction of a file that has lost the lock from being committed.
func (a Advisory) Guard() string {
	said := fmt.Sprintf("the lock of %s is not the session's any more: take pg_advisory_unlock_all() and DISCARD ALL out of the file; "+
		"if the way leads through a pooler, write lock: table in .goose.yml", a.Database)
	return fmt.Sprintf(`DO $guard$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
		AND (classid::bigint << 32) | objid::bigint = %d AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = %s;
	END IF;
END $guard$`, a.Key(), sqltext.Literal(said))
}

func (a Advisory) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return failure.Refused("interrupted while waiting for the lock of %s: nothing was changed: run again", a.Database)
	}
	return failure.Unreachable("the lock of %s could not be asked for (%w): run again", a.Database, err)
}
