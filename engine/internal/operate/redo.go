package operate

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
	if err := current.Directory.CheckUp(steps[0]); err != nil {
		return err
	}
	if err := session.run(ctx, current, steps, Down); err != nil {
		return err
	}
	rolledBack, err := session.readHistory(ctx, current.files)
	if err != nil {
		return err
	}
	return session.run(ctx, rolledBack, steps, Up)
}

// acceptLastEdit lets developers go on with the file that they are writing: redo is how they try it.
func (s *Session) acceptLastEdit(current Stream) Stream {
	if !s.Target.Environment.Disposable() || len(current.History.Records) == 0 {
		return current
	}
	last := current.History.Records[len(current.History.Records)-1].Version
	for _, entry := range current.Comparison.In(history.Edited, history.Renamed) {
		if entry.Version == last {
			s.Engine.Report.Say("%s was %s after it was applied: redo rolls it back and applies it as it is now", entry.File, entry.State)
		}
	}
	current.Comparison = current.Comparison.Accepting(last)
	return current
}
