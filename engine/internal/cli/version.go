package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newVersion(outside terminal.Terminal) *cobra.Command {
	var options run.VersionOptions
	command := operation(outside, "version", "Print the version of the database",
		func(engine *run.Engine, ctx context.Context) error { return engine.Version(ctx, options) })
	command.Flags().BoolVar(&options.JSON, "json", false, "print JSON")
	command.Flags().BoolVar(&options.ExitCode, "exit-code", false, "exit with 2 while migrations are pending")
	return command
}
