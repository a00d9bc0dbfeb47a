package cli

import (
	"context"

	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newVersion(outside terminal.Terminal) *cobra.Command {
	var asJSON bool
	command := operation(outside, "version", "Print the version of the database",
		func(engine *run.Engine, ctx context.Context) error { return engine.Version(ctx, asJSON) })
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
