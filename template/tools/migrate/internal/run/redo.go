package run

import "context"

// Redo rolls back the migration that was applied last and applies it again.
func (e *Engine) Redo(ctx context.Context) error {
	session, current, err := e.openToRollBack(ctx, "redo")
	if err != nil {
		return err
	}
	defer session.Close()
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
	rolledBack, err := session.read(ctx, e.project.Migrations)
	if err != nil {
		return err
	}
	return session.run(ctx, rolledBack, steps, up)
}
