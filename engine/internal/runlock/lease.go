package runlock

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
)

const (
	leaseDuration = 30 * time.Second
	heartbeat     = 5 * time.Second
)

// Lease is a lock in a table, for databases behind a pooler, where no session lasts. The holder renews it; a holder that
// has gone away loses it by doing nothing.
type Lease struct {
	Database string
	// Table is the version table; the lock's own has its name with _lock.
	Table   string
	Timeout time.Duration
	Say     func(format string, values ...any)

	holder string
	lost   context.CancelCauseFunc
	done   chan struct{}
	stop   context.CancelFunc
}

func (l *Lease) table() string { return l.Table + "_lock" }

// Acquire takes the lease, or gives up after the timeout. The session is the lease's own: it renews the lease while the
// run's session is busy.
func (l *Lease) Acquire(ctx context.Context, session *sql.DB) error {
	host, _ := os.Hostname()
	l.holder = fmt.Sprintf("pid %d on %s, run %s", os.Getpid(), host, rand.Text()[:8])
	if err := l.create(ctx, session); err != nil {
		return notAsked(ctx, l.Database, err)
	}
	return patiently(ctx, l.Database, l.Timeout, l.Say, func(ctx context.Context) (bool, string, error) { return l.try(ctx, session) })
}

// create makes the lock's table.
func (l *Lease) create(ctx context.Context, session *sql.DB) error {
	return history.CreateTable(ctx, session, l.table(), "id boolean PRIMARY KEY DEFAULT true CHECK (id), "+
		"holder text NOT NULL, since timestamptz NOT NULL, expires timestamptz NOT NULL")
}

func (l *Lease) try(ctx context.Context, session *sql.DB) (taken bool, holder string, err error) {
	result, err := session.ExecContext(ctx, "INSERT INTO "+l.table()+" AS held (holder, since, expires) "+
		"VALUES ($1, clock_timestamp(), clock_timestamp() + make_interval(secs => $2)) "+
		"ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, since = excluded.since, expires = excluded.expires "+
		"WHERE held.expires < clock_timestamp()", l.holder, leaseDuration.Seconds())
	if err != nil {
		return false, "", err
	}
	if rows, err := result.RowsAffected(); err != nil || rows == 1 {
		return rows == 1, "", err
	}
	err = session.QueryRowContext(ctx, "SELECT format('%s (since %s)', holder, to_char(since, 'YYYY-MM-DD HH24:MI:SS TZ')) FROM "+
		l.table()).Scan(&holder)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return false, holder, err
}

// Keep renews the lease in the background. The returned context ends when the lease is lost.
func (l *Lease) Keep(ctx context.Context, session *sql.DB) context.Context {
	l.rest()
	kept, lost := context.WithCancelCause(ctx)
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.lost, l.stop, l.done = lost, stop, make(chan struct{})
	go l.beat(beating, session)
	return kept
}

func (l *Lease) beat(ctx context.Context, session *sql.DB) {
	defer close(l.done)
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// An answer that takes as long as the lease lasts is none.
		attempt, cancel := context.WithTimeout(ctx, leaseDuration-2*heartbeat)
		err := l.renew(attempt, session)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.lost(failure.Unreachable("the lock of %s was lost (%w): nothing more was run: "+
				"see make migrate-status, then run again", l.Database, err))
			return
		}
	}
}

// execer is a session, or a transaction of one.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (l *Lease) renew(ctx context.Context, session execer) error {
	result, err := session.ExecContext(ctx, "UPDATE "+l.table()+" SET expires = clock_timestamp() + make_interval(secs => $2) "+
		"WHERE holder = $1 AND expires > clock_timestamp()", l.holder, leaseDuration.Seconds())
	if err != nil {
		return err
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		return errors.Join(err, errors.New("another runner has it"))
	}
	return nil
}

// Confirm renews the lease in the transaction of a migration: one whose lease has passed to another runner is not
// committed.
func (l *Lease) Confirm(ctx context.Context, transaction execer) error {
	if err := l.renew(ctx, transaction); err != nil {
		return failure.Unreachable("the lock of %s was lost (%w): see make migrate-status, then run again", l.Database, err)
	}
	return nil
}

// rest ends the renewing.
func (l *Lease) rest() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
}

// Release gives the lease back.
func (l *Lease) Release(session *sql.DB) {
	l.rest()
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	// What cannot be given back expires.
	_, _ = session.ExecContext(ctx, "DELETE FROM "+l.table()+" WHERE holder = $1", l.holder)
}
