package operate

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
	if err := current.Check(); err != nil {
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
	return session.run(ctx, current, steps, Down)
}

// openToRollBack opens a session, takes the lock and reads the history, which decides what is rolled back.
func (e *Engine) openToRollBack(ctx context.Context, operation string) (*Session, Stream, error) {
	target, err := e.Target()
	if err != nil {
		return nil, Stream{}, err
	}
	if err := e.consent(operation, losesData, target); err != nil {
		return nil, Stream{}, err
	}
	session, err := e.OpenTarget(ctx, target)
	if err != nil {
		return nil, Stream{}, err
	}
	current, err := session.lockAndRead(ctx)
	if err == nil && session.Target.Environment != target.Environment {
		err = e.consent(operation, losesData, session.Target)
	}
	if err != nil {
		session.Close()
		return nil, Stream{}, err
	}
	return session, current, nil
}

func (s *Session) lockAndRead(ctx context.Context) (Stream, error) {
	if err := s.Lock(ctx); err != nil {
		return Stream{}, err
	}
	return s.Read(ctx)
}

// lastApplied is the migration that was applied last, if there is one.
func (s Stream) lastApplied() ([]migration.Migration, error) {
	if len(s.History.Records) == 0 {
		return nil, nil
	}
	return s.toRollBack(s.History.Records[len(s.History.Records)-1].Version)
}

// toRollBack turns applied versions into steps, each of which can be undone.
func (s Stream) toRollBack(versions ...int64) ([]migration.Migration, error) {
	var steps []migration.Migration
	for _, version := range versions {
		step, found := s.Directory.Find(version)
		if !found {
			return nil, failure.HistoryMismatch("version %s is applied but has no file in %s: bring the file back",
				migration.FormatVersion(version), s.Dir)
		}
		if err := s.Directory.CheckDown(step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (s *Session) nothingToRollBack() {
	s.Engine.Report.Say("nothing to roll back in %s (%s): no migration is applied", s.Target.Database, s.Target.Environment)
}
