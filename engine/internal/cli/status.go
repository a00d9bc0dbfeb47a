package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newStatus(outside terminal.Terminal) *cobra.Command {
	var options run.StatusOptions
	command := operation(outside, "status", "Show which migrations are applied",
		func(engine *run.Engine, ctx context.Context) error { return engine.Status(ctx, options) })
	command.Flags().BoolVar(&options.JSON, "json", false, "print JSON")
	command.Flags().BoolVar(&options.ExitCode, "exit-code", false, "exit with 2 while migrations are pending")
	return command
}
