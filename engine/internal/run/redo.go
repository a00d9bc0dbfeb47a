package run

import (
	"context"

	"avion.internal/migrate/internal/history"
)

// Redo rolls back the migration that was applied last and applies it again.
func (e *Engine) Redo(ctx context.Context) error {
	session, current, err := e.openToRollBack(ctx, "redo")
	if err != nil {
		return err
	}
	defer session.Close()
	current = session.acceptLastEdit(current)
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
	if err := current.directory.CheckUp(steps[0]); err != nil {
		return err
	}
	if err := session.run(ctx, current, steps, down); err != nil {
		return err
	}
	rolledBack, err := session.readHistory(ctx, current.files)
	if err != nil {
		return err
	}
	return session.run(ctx, rolledBack, steps, up)
}

// acceptLastEdit lets developers go on with the file that they are writing: redo is how they try it.
func (s *session) acceptLastEdit(current stream) stream {
	if !s.target.Environment.Disposable() || len(current.history.Records) == 0 {
		return current
	}
	last := current.history.Records[len(current.history.Records)-1].Version
	for _, entry := range current.comparison.In(history.Edited, history.Renamed) {
		if entry.Version == last {
			s.engine.report.Say("%s was %s after it was applied: redo rolls it back and applies it as it is now", entry.File, entry.State)
		}
	}
	current.comparison = current.comparison.Accepting(last)
	return current
}
