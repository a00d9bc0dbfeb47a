package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newPlan(outside terminal.Terminal) *cobra.Command {
	var asJSON bool
	command := operation(outside, "plan", "Print the SQL that up would run, and the locks that it would take",
		func(engine *run.Engine, ctx context.Context) error { return engine.Plan(ctx, asJSON) })
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
