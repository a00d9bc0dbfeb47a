package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newMaintain(outside terminal.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "maintain [JOB]",
		Short: "Do what tables need again and again, such as deleting expired rows; without JOB list the jobs",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return engine.Maintain(command.Context(), strings.Join(arguments, ""))
		},
	}
}
