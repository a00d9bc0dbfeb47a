package connection

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/patience"
)

const (
	shortestPause   = 250 * time.Millisecond
	longestPause    = time.Second
	shortestAttempt = 2 * time.Second
	longestAttempt  = 10 * time.Second
)

// Open opens the run's session and keeps trying for as long as MIGRATION_CONNECT_TIMEOUT says; say is told once that
// it has to wait.
//
// The pool holds this one connection and never dials another: with the connection the advisory lock is gone, and a
// run that went on without it could meet a second one.
func (t Target) Open(ctx context.Context, say func(format string, values ...any)) (*sql.DB, error) {
	connection, err := t.dialPatiently(ctx, say)
	if err != nil {
		return nil, err
	}
	session := &conn{physical: connection.(*physical), settings: t.local}
	pool := sql.OpenDB(&singleSession{connection: session, target: t})
	pool.SetMaxOpenConns(1)
	return pool, nil
}

func (t Target) dialPatiently(ctx context.Context, say func(format string, values ...any)) (driver.Conn, error) {
	deadline := time.Now().Add(t.wait)
	var failed error
	told := false
	backoff := patience.Backoff(t.wait, shortestPause, longestPause, func(time.Duration) {
		if !told {
			told = true
			say("waiting up to %s for %s (%s)", t.wait, t.Address(), t.reason(failed))
		}
	})
	connection, err := retry.DoValue(ctx, backoff, func(ctx context.Context) (driver.Conn, error) {
		attempt, cancel := context.WithTimeout(ctx, min(max(time.Until(deadline), shortestAttempt), longestAttempt))
		defer cancel()
		connection, err := t.login(attempt)
		if err != nil && ctx.Err() == nil && worthWaiting(err) {
			failed = err
			err = retry.RetryableError(err)
		}
		return connection, err
	})
	switch {
	case err == nil:
		return connection, nil
	case ctx.Err() != nil:
		return nil, t.explain(context.Canceled, t.wait)
	}
	return nil, t.explain(err, t.wait)
}

// singleSession hands out its connection once.
type singleSession struct {
	connection driver.Conn
	target     Target
	taken      atomic.Bool
}

// Connect returns the connection the first time, and the news that it is lost from then on.
func (s *singleSession) Connect(context.Context) (driver.Conn, error) {
	if s.taken.Swap(true) {
		return nil, failure.Because(errSessionLost, failure.Unreachable("the connection to %s was lost, and the lock with it: "+
			"nothing more was run: see make migrate-status, then run again", s.target.Address()))
	}
	return s.connection, nil
}

// errSessionLost is behind all that is asked after the end of the session.
var errSessionLost = errors.New("the session is lost")

// Driver returns pgx's driver.
func (s *singleSession) Driver() driver.Driver { return stdlib.GetDefaultDriver() }
