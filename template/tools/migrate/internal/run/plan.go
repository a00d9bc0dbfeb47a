package run

import (
	"context"
	"fmt"
	"math"

	"migrate/internal/migration"
)

// Plan prints the SQL that Up would run now.
func (e *Engine) Plan(ctx context.Context) error {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	steps, err := current.pending(math.MaxInt64)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := e.printPlan(current.directory, step); err != nil {
			return err
		}
	}
	e.report.Say("%s (%s) is at %s: make migrate-up would apply %s", session.target.Database, session.target.Environment,
		migration.FormatVersion(current.history.Current()), count(len(steps)))
	return nil
}

func (e *Engine) printPlan(directory migration.Directory, step migration.Migration) error {
	script, err := directory.Script(step)
	if err != nil {
		return err
	}
	title := "-- " + step.File
	if script.NoTransaction {
		title += " (NO TRANSACTION)"
	}
	fmt.Fprintln(e.terminal.Out, title)
	for _, statement := range script.Up {
		fmt.Fprintln(e.terminal.Out, statement.Text)
	}
	fmt.Fprintln(e.terminal.Out)
	return nil
}
