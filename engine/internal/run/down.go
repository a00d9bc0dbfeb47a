package run

import (
	"context"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// Down rolls back the migration that was applied last.
func (e *Engine) Down(ctx context.Context) error {
	session, current, err := e.openToRollBack(ctx, "down")
	if err != nil {
		return err
	}
	defer session.Close()
	if err := current.check(); err != nil {
		return err
	}
	steps, err := current.lastApplied()
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		session.nothingToRollBack()
		return nil
	}
	return session.run(ctx, current, steps, down)
}

// openToRollBack opens a session, takes the lock and reads the history, which decides what is rolled back.
func (e *Engine) openToRollBack(ctx context.Context, operation string) (*session, stream, error) {
	target, err := e.target()
	if err != nil {
		return nil, stream{}, err
	}
	if err := e.consent(operation, target); err != nil {
		return nil, stream{}, err
	}
	session, err := e.openTarget(ctx, target)
	if err != nil {
		return nil, stream{}, err
	}
	current, err := session.lockAndRead(ctx)
	if err == nil && session.target.Environment != target.Environment {
		err = e.consent(operation, session.target)
	}
	if err != nil {
		session.Close()
		return nil, stream{}, err
	}
	return session, current, nil
}

func (s *session) lockAndRead(ctx context.Context) (stream, error) {
	if err := s.lock(ctx); err != nil {
		return stream{}, err
	}
	return s.read(ctx)
}

// lastApplied is the migration that was applied last, if there is one.
func (s stream) lastApplied() ([]migration.Migration, error) {
	if len(s.history.Records) == 0 {
		return nil, nil
	}
	return s.toRollBack(s.history.Records[len(s.history.Records)-1].Version)
}

// toRollBack turns applied versions into steps, each of which can be undone.
func (s stream) toRollBack(versions ...int64) ([]migration.Migration, error) {
	var steps []migration.Migration
	for _, version := range versions {
		step, found := s.directory.Find(version)
		if !found {
			return nil, failure.HistoryMismatch("version %s is applied but has no file in %s: bring the file back",
				migration.FormatVersion(version), s.Dir)
		}
		if err := s.directory.CheckDown(step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (s *session) nothingToRollBack() {
	s.engine.report.Say("nothing to roll back in %s (%s): no migration is applied", s.target.Database, s.target.Environment)
}
