package operate

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/stepwise"
)

// Direction is which section of a file runs.
type Direction string

// The sections of a file.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// run applies or rolls back migrations and sums up.
func (s *Session) run(ctx context.Context, in Stream, steps []migration.Migration, way Direction) error {
	started := time.Now()
	if err := s.Prepare(ctx, in); err != nil {
		return err
	}
	if err := s.Apply(ctx, in, steps, way); err != nil {
		return err
	}
	known, err := history.Read(ctx, s.DB, in.Table)
	if err != nil {
		return s.Unreadable(ctx, in.Table, err)
	}
	s.Engine.Report.Say("%s %s %s (%s) in %s: %s is now at %s", report.Migrations(len(steps)), way.verb(), s.Target.Database,
		s.Target.Environment, report.Milliseconds(time.Since(started)), in.Table, migration.FormatVersion(known.Current()))
	return nil
}

// Apply runs migrations of a stream one by one, in the order given, each with its line in the version table.
func (s *Session) Apply(ctx context.Context, in Stream, steps []migration.Migration, way Direction) error {
	ctx = s.keepLock(ctx)
	applying, err := s.newApplier(in, way)
	if err != nil {
		return err
	}
	for done, step := range steps {
		if err := s.declare(ctx); err != nil {
			return err
		}
		started := time.Now()
		if err := applying.step(ctx, step); err != nil {
			return failure.Because(err, s.failed(ctx, in, step, way, done, err))
		}
		in = in.measureStep(&s.Engine.measured, step, way)
		if way == Up {
			s.Engine.Report.Applied(step.File, time.Since(started))
		} else {
			s.Engine.Report.RolledBack(step.File, time.Since(started))
		}
	}
	return nil
}

func (s Stream) store() (goosedb.StoreExtender, error) {
	store, err := history.NewStore(s.Table, s.History, s.Comparison.In(history.Pending, history.Applied))
	if s.repeats {
		return history.Repeatable{Store: store}, err
	}
	return store, err
}

// failed says what happened to a migration, and what of it stays in the database.
func (s *Session) failed(ctx context.Context, in Stream, step migration.Migration, way Direction, done int, err error) error {
	script, _ := in.Directory.Script(step)
	file := filepath.Join(in.Dir, step.File)
	ended := errors.Is(err, connection.ErrEndedTransaction)
	stays := "nothing of it stays"
	var stopped *stepwise.Stopped
	switch {
	case errors.As(err, &stopped):
		stays = stopped.Stays() + s.invalid(ctx, migration.ConcurrentIndexes(script.Section(way == Up)))
	case script.NoTransaction:
		stays = "all its statements are done and do not run again"
	case ended:
		stays = "remove BEGIN and COMMIT, and look at what of it stays before running it again"
	}
	var server *pgconn.PgError
	var said *failure.Error
	var waited blocked
	switch {
	case errors.As(context.Cause(ctx), &said):
		return failure.Unreachable("%s was stopped: %s%s", file, said.Sentence, before(done))
	case ctx.Err() != nil:
		return failure.MigrationFailed("%s was interrupted: %s%s", file, stays, before(done))
	case connection.ReadOnly(err):
		return failure.Unreachable("%s was stopped, because %s only answers questions now, as after a failover: %s: run again, on the primary%s",
			file, s.Target.Address(), stays, before(done))
	case errors.As(err, &said) && !connection.Lost(err):
		return said
	case errors.As(err, &waited) && errors.As(err, &server):
		return failure.MigrationFailed("%s failed: %s (SQLSTATE %s)%s: %s: %s%s",
			file, s.Target.Redact(server.Message), server.Code, hint(server), waited.obstacle(), stays, before(done))
	case errors.As(err, &server) && !connection.Lost(err):
		return failure.MigrationFailed("%s failed: %s (SQLSTATE %s)%s: %s%s",
			file, s.Target.Redact(server.Message), server.Code, hint(server), stays, before(done))
	case connection.Lost(err) && !ended:
		return failure.Unreachable("%s lost its connection to %s, and the lock with it%s: "+
			"see make migrate-status, then run again%s", file, s.Target.Address(), kept(stopped), before(done))
	default:
		if partial, ok := errors.AsType[*goose.PartialError](err); ok { // its own words name the file once more
			err = partial.Err
		}
		return failure.MigrationFailed("%s failed: %s: %s%s", file, s.Target.Redact(err.Error()), stays, before(done))
	}
}

// kept tells what of a file without a transaction the next run does not do again.
func kept(stopped *stepwise.Stopped) string {
	if stopped == nil {
		return ""
	}
	return ": " + stopped.Stays()
}
