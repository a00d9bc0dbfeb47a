package run

import (
	"context"
	"math"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
)

// Up applies every pending migration.
func (e *Engine) Up(ctx context.Context) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.up(ctx, math.MaxInt64)
}

// UpIfAutomatic applies every pending migration where MIGRATION_AUTO_RUN says so, and elsewhere only tells what is
// pending, so that a start-up may always call it.
func (e *Engine) UpIfAutomatic(ctx context.Context) error {
	automatic, err := e.settings.Boolean("MIGRATION_AUTO_RUN")
	if err != nil {
		return err
	}
	if automatic {
		return e.Up(ctx)
	}
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	pending := current.comparison.In(history.Pending)
	if len(pending) == 0 {
		e.report.Say("MIGRATION_AUTO_RUN is not true: nothing was run, and nothing is pending")
		return nil
	}
	e.report.Say("MIGRATION_AUTO_RUN is not true: nothing was run, %s pending (%s): run make migrate-up",
		count(len(pending)), history.Names(pending))
	return nil
}

// up applies the pending migrations as far as a version. The lock is taken only where there is something to
// do: a deployment without migrations never waits.
func (s *session) up(ctx context.Context, highest int64) error {
	current, err := s.read(ctx)
	if err != nil {
		return err
	}
	steps, err := current.pending(highest)
	if err != nil {
		return err
	}
	if len(steps) == 0 && !current.unprepared() {
		s.nothingToApply(current)
		return nil
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	// Whoever had the lock may have applied some of them.
	if current, err = s.readHistory(ctx, current.files); err != nil {
		return err
	}
	if steps, err = current.unapplied(highest); err != nil {
		return err
	}
	if len(steps) == 0 {
		s.nothingToApply(current)
		return s.prepare(ctx, current)
	}
	return s.run(ctx, current, steps, up)
}

func (s *session) nothingToApply(current stream) {
	s.engine.report.Say("nothing to apply to %s (%s): %s is at %s", s.target.Database, s.target.Environment,
		current.Table, migration.FormatVersion(current.history.Current()))
}

// pending are the migrations to apply, each of them readable.
func (s stream) pending(highest int64) ([]migration.Migration, error) {
	steps, err := s.unapplied(highest)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := s.directory.CheckUp(step); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

// unapplied are the migrations to apply, without a look into them.
func (s stream) unapplied(highest int64) ([]migration.Migration, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(s.directory.Migrations) == 0 {
		return nil, failure.Refused("%s holds no migration: create the first one with make migrate-create", s.Dir)
	}
	var steps []migration.Migration
	for _, entry := range s.comparison.PendingTo(highest) {
		steps = append(steps, migration.Migration{Version: entry.Version, File: entry.File})
	}
	return steps, nil
}
