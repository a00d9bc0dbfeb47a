package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newIndexes(outside terminal.Terminal) *cobra.Command {
	var options run.IndexesOptions
	command := operation(outside, "indexes", "List the indexes that are invalid, superfluous or unused",
		func(engine *run.Engine, ctx context.Context) error { return engine.Indexes(ctx, options) })
	command.Flags().BoolVar(&options.JSON, "json", false, "print JSON")
	return command
}
