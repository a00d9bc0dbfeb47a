package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newValidate(outside terminal.Terminal) *cobra.Command {
	var options run.ValidateOptions
	command := operation(outside, "validate", "Look for mistakes in the migration files",
		func(engine *run.Engine, ctx context.Context) error { return engine.Validate(ctx, options) })
	command.Flags().BoolVar(&options.Database, "database", false, "hold the files against the history of the database too")
	command.Flags().StringVar(&options.Base, "base", "", "hold the files against this branch or commit: what it has must not change, and new numbers come after its own")
	return command
}
