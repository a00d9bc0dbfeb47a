package cli

import (
	"context"

	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newValidate(outside terminal.Terminal) *cobra.Command {
	var withDatabase bool
	command := operation(outside, "validate", "Look for mistakes in the migration files",
		func(engine *run.Engine, ctx context.Context) error { return engine.Validate(ctx, withDatabase) })
	command.Flags().BoolVar(&withDatabase, "database", false, "hold the files against the history of the database too")
	return command
}
