package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newUp(outside terminal.Terminal) *cobra.Command {
	var automatic bool
	command := operation(outside, "up", "Apply every pending migration",
		measured(func(engine *run.Engine, ctx context.Context) error {
			if automatic {
				return engine.UpIfAutomatic(ctx)
			}
			return engine.Up(ctx)
		}))
	command.Flags().BoolVar(&automatic, "auto", false, "apply only if MIGRATION_AUTO_RUN is true")
	return command
}
