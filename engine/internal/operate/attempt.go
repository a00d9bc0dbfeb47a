package operate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
)

const (
	shortestPause = 500 * time.Millisecond
	longestPause  = 10 * time.Second
)

// applier brings the files of one stream into the database, or out of it.
type applier struct {
	session  *Session
	in       Stream
	way      Direction
	provider *goose.Provider
	recorder *recorder
	patience time.Duration
}

func (s *Session) newApplier(in Stream, way Direction) (*applier, error) {
	patience, err := s.Engine.retryTimeout()
	if err != nil {
		return nil, err
	}
	made := &applier{session: s, in: in, way: way, patience: patience}
	return made, made.assemble()
}

func (a *applier) assemble() error {
	store, err := a.in.store()
	if err != nil {
		return failure.Refused("table %q: %s", a.in.Table, err)
	}
	a.recorder = &recorder{StoreExtender: store}
	a.provider, err = goose.NewProvider(goose.DialectCustom, a.session.DB, a.in.Directory.FS(),
		goose.WithStore(a.recorder), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return failure.Refused("%s: %s", a.in.Dir, err)
	}
	return nil
}

// reload begins again with what the version table says: an attempt that failed when it was committed leaves the store
// with a wrong memory.
func (a *applier) reload(ctx context.Context) (err error) {
	if a.in.History, err = history.Read(ctx, a.session.DB, a.in.Table); err != nil {
		return err
	}
	return a.assemble()
}

// blocked is a migration that never got its locks.
type blocked struct {
	error
	attempts int
	blockers string
}

func (b blocked) Unwrap() error { return b.error }

// obstacle tells who was in the way, and how often it was tried.
func (b blocked) obstacle() string {
	who := b.blockers
	if who == "" {
		who = "another session"
	}
	if b.attempts == 1 {
		return who + " was in its way"
	}
	return fmt.Sprintf("%s was in its way in each of %d attempts (MIGRATION_RETRY_TIMEOUT)", who, b.attempts)
}

// step runs one file. A transactional file that another session keeps from its locks is tried again: meanwhile those who
// queued behind it get through.
func (a *applier) step(ctx context.Context, step migration.Migration) error {
	script, err := a.in.Directory.Script(step)
	if err != nil {
		return err
	}
	if ctx, err = a.prepare(ctx, step, script); err != nil {
		return err
	}
	deadline := time.Now().Add(a.patience)
	for attempt := 1; ; attempt++ {
		a.recorder.verify = a.verification(script)
		stop := a.session.watch(ctx, func(blockers string) {
			if script.NoTransaction {
				a.session.Engine.Report.Say("%s waits for %s", step.File, blockers)
			}
		})
		_, err := a.provider.ApplyVersion(ctx, step.Version, a.way == Up)
		blockers := stop()
		if err == nil || !isBlocked(err) || ctx.Err() != nil {
			return err
		}
		given := blocked{error: err, attempts: attempt, blockers: blockers}
		pause := backoff(attempt)
		if script.NoTransaction || time.Now().Add(pause).After(deadline) {
			return given
		}
		a.session.Engine.Report.Say("%s did not get its locks, attempt %d: %s: again in %s", step.File, attempt,
			blocked{blockers: blockers, attempts: 1}.obstacle(), pause.Round(100*time.Millisecond))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if err := a.reload(ctx); err != nil {
			return err
		}
	}
}

// prepare sets what holds for this file only.
func (a *applier) prepare(ctx context.Context, step migration.Migration, script migration.Script) (context.Context, error) {
	limits := connection.Limits{Lock: script.Limits.Lock, Statement: script.Limits.Statement}
	statements := script.Section(a.way == Up)
	// CREATE INDEX CONCURRENTLY waits for every older transaction, which takes as long as that takes.
	if script.NoTransaction && limits.Lock == nil && migration.WaitsForOthersOnly(statements) {
		limits.Lock = new(time.Duration)
	}
	ctx, err := a.session.Target.WithLimits(ctx, a.session.DB, limits)
	if err != nil || !script.NoTransaction {
		return ctx, err
	}
	return ctx, a.session.dropInvalid(ctx, migration.ConcurrentIndexes(statements))
}

// verification is what has to hold before the version table says that a file has run.
func (a *applier) verification(script migration.Script) func(context.Context, goosedb.DBTxConn) error {
	var indexes []migration.Index
	if script.NoTransaction {
		indexes = migration.ConcurrentIndexes(script.Section(a.way == Up))
	}
	lease := a.session.lease
	observe := a.session.Observe
	if script.NoTransaction { // nothing of it is left to look at
		observe = nil
	}
	if len(indexes) == 0 && lease == nil && observe == nil {
		return nil
	}
	return func(ctx context.Context, db goosedb.DBTxConn) error {
		if observe != nil {
			if err := observe(ctx, db); err != nil {
				return err
			}
		}
		if lease != nil {
			if err := lease.Confirm(ctx, db); err != nil {
				return err
			}
		}
		return assertValid(ctx, db, indexes)
	}
}

// isBlocked recognises a lock that was not to be had: lock_not_available and deadlock_detected.
func isBlocked(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == "55P03" || server.Code == "40P01")
}

// backoff doubles with every attempt, and differs from runner to runner.
func backoff(attempt int) time.Duration {
	pause := min(shortestPause<<min(attempt-1, 10), longestPause)
	return pause/2 + rand.N(pause)
}
