package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newTo(outside terminal.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "to VERSION",
		Short: "Migrate up or down to a version; 0 rolls everything back",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return engine.Measured(command.Context(), func(ctx context.Context) error {
				return engine.To(ctx, strings.Join(arguments, ""))
			})
		},
	}
}
