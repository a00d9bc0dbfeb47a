package run

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
)

// direction is which section of a file runs.
type direction string

const (
	up   direction = "up"
	down direction = "down"
)

// run applies or rolls back migrations and sums up.
func (s *session) run(ctx context.Context, in stream, steps []migration.Migration, way direction) error {
	started := time.Now()
	if err := s.prepare(ctx, in); err != nil {
		return err
	}
	if err := s.apply(ctx, in, steps, way); err != nil {
		return err
	}
	known, err := history.Read(ctx, s.DB, in.Table)
	if err != nil {
		return s.unreadable(ctx, in.Table, err)
	}
	s.engine.report.Say("%s %s %s (%s) in %s: %s is now at %s", count(len(steps)), way.verb(), s.target.Database,
		s.target.Environment, report.Milliseconds(time.Since(started)), in.Table, migration.FormatVersion(known.Current()))
	return nil
}

// apply runs migrations of a stream one by one, in the order given, each with its line in the version table.
func (s *session) apply(ctx context.Context, in stream, steps []migration.Migration, way direction) error {
	ctx = s.keepLock(ctx)
	applier, err := s.applier(in, way)
	if err != nil {
		return err
	}
	for done, step := range steps {
		if err := s.declare(ctx); err != nil {
			return err
		}
		started := time.Now()
		if err := applier.step(ctx, step); err != nil {
			return s.failed(ctx, in, step, way, done, err)
		}
		in = in.measureStep(&s.engine.measured, step, way)
		if way == up {
			s.engine.report.Applied(step.File, time.Since(started))
		} else {
			s.engine.report.RolledBack(step.File, time.Since(started))
		}
	}
	return nil
}

func (s stream) store() (goosedb.StoreExtender, error) {
	store, err := history.NewStore(s.Table, s.history, s.comparison.In(history.Pending, history.Applied))
	if s.repeats {
		return history.Repeatable{Store: store}, err
	}
	return store, err
}

// failed says what happened to a migration, and what of it stays in the database.
func (s *session) failed(ctx context.Context, in stream, step migration.Migration, way direction, done int, err error) error {
	script, _ := in.directory.Script(step)
	file := filepath.Join(in.Dir, step.File)
	stays := "nothing of it stays"
	if script.NoTransaction {
		stays = "it runs without a transaction, so what it did before that stays: look before running it again" +
			s.invalid(ctx, migration.ConcurrentIndexes(script.Section(way == up)))
	}
	var server *pgconn.PgError
	var lockLost *failure.Error
	var waited blocked
	switch {
	case errors.As(context.Cause(ctx), &lockLost):
		return failure.Unreachable("%s was stopped: %s%s", file, lockLost.Sentence, before(done))
	case ctx.Err() != nil:
		return failure.MigrationFailed("%s was interrupted: %s%s", file, stays, before(done))
	case errors.As(err, &waited) && errors.As(err, &server):
		return failure.MigrationFailed("%s failed: %s (SQLSTATE %s)%s: %s: %s%s",
			file, s.target.Redact(server.Message), server.Code, hint(server), waited.obstacle(), stays, before(done))
	case errors.As(err, &server) && !connection.Lost(err):
		return failure.MigrationFailed("%s failed: %s (SQLSTATE %s)%s: %s%s",
			file, s.target.Redact(server.Message), server.Code, hint(server), stays, before(done))
	case connection.Lost(err) && script.NoTransaction:
		return failure.MigrationFailed("%s lost its connection to %s: %s%s", file, s.target.Address(), stays, before(done))
	case connection.Lost(err):
		return failure.Unreachable("%s lost its connection to %s, and the lock with it: "+
			"see make migrate-status, then run again%s", file, s.target.Address(), before(done))
	default:
		return failure.MigrationFailed("%s failed: %s: %s%s", file, s.target.Redact(err.Error()), stays, before(done))
	}
}
