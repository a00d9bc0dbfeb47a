package operate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"
	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/patience"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/stepwise"
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
	// told are the limits of files that somebody has heard of.
	told map[string]bool
}

func (s *Session) newApplier(in Stream, way Direction) (*applier, error) {
	limit, err := s.Engine.retryTimeout()
	if err != nil {
		return nil, err
	}
	made := &applier{session: s, in: in, way: way, patience: limit, told: map[string]bool{}}
	return made, made.assemble()
}

func (a *applier) assemble() error {
	store, err := a.in.store()
	if err != nil {
		return failure.Refused("table %q: %w", a.in.Table, err)
	}
	a.recorder = &recorder{StoreExtender: store, guard: a.session.guard()}
	a.provider, err = goose.NewProvider(goose.DialectCustom, a.session.DB, a.in.Directory.FS(),
		goose.WithStore(a.recorder), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return failure.Refused("%s: %w", a.in.Dir, err)
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
	if script.NoTransaction {
		if err := a.session.dropInvalid(ctx, migration.ConcurrentIndexes(script.Section(a.way == Up))); err != nil {
			return err
		}
	}
	var obstacle blocked
	backoff := patience.Backoff(a.patience, shortestPause, longestPause, func(pause time.Duration) {
		a.session.Engine.Report.Say("%s did not get its locks, attempt %d: %s: again in %s", step.File, obstacle.attempts,
			blocked{blockers: obstacle.blockers, attempts: 1}.obstacle(), pause.Round(100*time.Millisecond))
	})
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		if obstacle.attempts > 0 {
			if err := a.reload(ctx); err != nil {
				return err
			}
		}
		a.recorder.verify = a.verification(step, script)
		stop := a.session.watch(ctx, func(blockers string) {
			if script.NoTransaction {
				a.session.Engine.Report.Say("%s waits for %s", step.File, blockers)
			}
		})
		outside, err := a.attempt(ctx, step, script)
		blockers := stop()
		if err == nil || !sqlstate.Blocked(err) || errors.Is(err, connection.ErrEndedTransaction) || ctx.Err() != nil {
			return err
		}
		obstacle = blocked{error: err, attempts: obstacle.attempts + 1, blockers: blockers}
		if outside {
			return obstacle
		}
		return retry.RetryableError(obstacle)
	})
}

// attempt runs one file: with goose in a transaction, or without one statement by statement. It tells whether what failed was
// outside a transaction.
func (a *applier) attempt(ctx context.Context, step migration.Migration, script migration.Script) (outside bool, err error) {
	if !script.NoTransaction {
		_, err = a.provider.ApplyVersion(a.limit(ctx, step, script, false), step.Version, a.way == Up)
		return false, err
	}
	if !a.in.History.Exists { // goose makes its table when it is asked for the version
		if _, err := a.provider.GetDBVersion(ctx); err != nil {
			return false, err
		}
	}
	runner := stepwise.Runner{
		Session: a.session.DB, Table: a.in.Table, Section: history.Section{Version: step.Version, RollsBack: a.way == Down},
		File: filepath.Join(a.in.Dir, step.File), Statements: script.Section(a.way == Up),
		Limit:  func(ctx context.Context, patient bool) context.Context { return a.limit(ctx, step, script, patient) },
		Guard:  a.session.guard(),
		Pooled: a.session.Target.Pooled(),
		Say:    a.session.Engine.Report.Say,
	}
	if lease := a.session.lease; lease != nil {
		runner.Confirm = func(ctx context.Context, transaction *sql.Tx) error { return lease.Confirm(ctx, transaction) }
	}
	if err := runner.Run(ctx); err != nil {
		var stopped *stepwise.Stopped
		return errors.As(err, &stopped) && stopped.Outside, err
	}
	return false, history.InTransaction(ctx, a.session.DB, func(transaction *sql.Tx) error {
		if a.way == Down {
			return a.recorder.Delete(ctx, transaction, step.Version)
		}
		return a.recorder.Insert(ctx, transaction, goosedb.InsertRequest{Version: step.Version})
	})
}

// limit is the context that the statements of a file run with.
func (a *applier) limit(ctx context.Context, step migration.Migration, script migration.Script, patient bool) context.Context {
	limits := connection.Limits{Lock: script.Limits.Lock, Statement: script.Limits.Statement, Patient: patient, Alone: script.NoTransaction}
	return a.session.Target.WithLimits(ctx, limits, func(name, value string) {
		told := step.File + name
		if !a.told[told] {
			a.told[told] = true
			a.session.Engine.Report.Say("%s sets %s to %s, which is longer than it may be, so the run's own holds: "+
				"write '-- migrate: %s=…' at the top of the file if it needs more", step.File, name, value, name)
		}
	})
}

// verification is what has to hold before the version table says that a file has run.
func (a *applier) verification(step migration.Migration, script migration.Script) func(context.Context, goosedb.DBTxConn) error {
	var indexes []migration.Index
	if script.NoTransaction {
		indexes = migration.ConcurrentIndexes(script.Section(a.way == Up))
	}
	lease := a.session.lease
	observe := a.session.Observe
	if script.NoTransaction { // nothing of it is left to look at
		observe = nil
	}
	if !script.NoTransaction && lease == nil && observe == nil {
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
		if !script.NoTransaction {
			return nil
		}
		if err := assertValid(ctx, db, indexes); err != nil {
			return err
		}
		return history.ForgetStatements(ctx, db, a.in.Table, step.Version)
	}
}
