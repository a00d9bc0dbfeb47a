package operate

import (
	"context"
	"math"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
)

// Up applies every pending migration.
func (e *Engine) Up(ctx context.Context) error {
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Up(ctx, math.MaxInt64)
}

// UpIfAutomatic applies every pending migration where MIGRATION_AUTO_RUN says so, and elsewhere only tells what is
// pending, so that a start-up may always call it.
func (e *Engine) UpIfAutomatic(ctx context.Context) error {
	automatic, err := e.Settings.Boolean(config.AutoRun)
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
	pending := current.Comparison.In(history.Pending)
	if len(pending) == 0 {
		e.Report.Say("MIGRATION_AUTO_RUN is not true: nothing was run, and nothing is pending")
		return nil
	}
	e.Report.Say("MIGRATION_AUTO_RUN is not true: nothing was run, %s pending (%s): run make migrate-up",
		report.Migrations(len(pending)), history.Names(pending))
	return nil
}

// Up applies the pending migrations as far as a version. The lock is taken only where there is something to
// do: a deployment without migrations never waits.
func (s *Session) Up(ctx context.Context, highest int64) error {
	current, err := s.Read(ctx)
	if err != nil {
		return err
	}
	steps, err := current.pending(highest)
	if err != nil {
		return err
	}
	if len(steps) == 0 && !current.unprepared() && !s.unmarked(current) {
		s.nothingToApply(current)
		return nil
	}
	if err := s.Lock(ctx); err != nil {
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
		return s.Prepare(ctx, current)
	}
	return s.run(ctx, current, steps, Up)
}

func (s *Session) nothingToApply(current Stream) {
	s.Engine.Report.Say("nothing to apply to %s (%s): %s is at %s", s.Target.Database, s.Target.Environment,
		current.Table, migration.FormatVersion(current.History.Current()))
}

// pending are the migrations to apply, each of them readable.
func (s Stream) pending(highest int64) ([]migration.Migration, error) {
	steps, err := s.unapplied(highest)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := s.Directory.CheckUp(step); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

// unapplied are the migrations to apply, without a look into them.
func (s Stream) unapplied(highest int64) ([]migration.Migration, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if len(s.Directory.Migrations) == 0 {
		return nil, failure.Refused("%s holds no migration: create the first one with make migrate-create", s.Dir)
	}
	var steps []migration.Migration
	for _, entry := range s.Comparison.PendingTo(highest) {
		steps = append(steps, migration.Migration{Version: entry.Version, File: entry.File})
	}
	return steps, nil
}

// CheckFiles makes sure that there is something to build the new database from.
func (e *Engine) CheckFiles() error {
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return err
	}
	fresh := Stream{
		Stream:     e.Project.Migrations,
		Directory:  directory,
		Comparison: history.Compare(history.Files{Directory: directory}, history.History{}, history.Rules{}),
	}
	_, err = fresh.pending(math.MaxInt64)
	return err
}
