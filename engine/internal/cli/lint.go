package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newLint(outside terminal.Terminal) *cobra.Command {
	var base string
	command := operation(outside, "lint", "Look for what is dangerous in new migrations, with squawk",
		func(engine *run.Engine, ctx context.Context) error { return engine.Lint(ctx, base) })
	command.Flags().StringVar(&base, "base", "", "lint what this branch or commit does not have; the default branch if empty")
	return command
}
