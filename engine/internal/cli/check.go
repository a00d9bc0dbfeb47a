package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newCheck(outside terminal.Terminal) *cobra.Command {
	var options run.CheckOptions
	command := operation(outside, "check", "Try every migration and its rollback on a throw-away database",
		func(engine *run.Engine, ctx context.Context) error { return engine.Check(ctx, options) })
	command.Flags().StringVar(&options.Base, "base", "", "try the migrations on top of those of this branch or commit, too")
	command.Flags().BoolVar(&options.JSON, "json", false, "print the result as JSON")
	return command
}
