package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newDoctor(outside terminal.Terminal) *cobra.Command {
	options := run.DoctorOptions{Engine: version()}
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Hold the service against its checklist, with evidence and the next steps",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return run.Doctor(command.Context(), outside, options)
		},
	}
	command.Flags().BoolVar(&options.JSON, "json", false, "print JSON")
	command.Flags().StringVar(&options.Base, "base", "", "what counts as new is what this branch or commit does not have")
	return command
}
