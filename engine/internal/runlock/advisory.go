// Package runlock lets one runner at a time work on a database. It never lets a run go on that has lost the lock.
//
// May import: failure, history, patience, sqltext.
package runlock

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"avion.internal/migrate/internal/sqltext"
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
	return patiently(ctx, a.Database, a.Timeout, a.Say, func(ctx context.Context) (taken bool, by string, err error) {
		if err := session.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", a.Key()).Scan(&taken); err != nil || taken {
			return taken, "", err
		}
		by, err = a.holder(ctx, session)
		return false, by, err
	})
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
