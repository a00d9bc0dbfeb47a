package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newBackfill(outside terminal.Terminal) *cobra.Command {
	var options run.BackfillOptions
	command := &cobra.Command{
		Use:   "backfill [JOB]",
		Short: "Move data in throttled batches that can be resumed; without JOB list the jobs",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return engine.Backfill(command.Context(), strings.Join(arguments, ""), options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.DryRun, "dry-run", false, "try a batch, roll it back, and say how long the job would take")
	flags.BoolVar(&options.Pause, "pause", false, "end a running job after its batch, wherever it runs; running it again resumes it")
	flags.BoolVar(&options.Restart, "restart", false, "begin again at the first row")
	flags.BoolVar(&options.Unthrottled, "unthrottled", false, "work without rests and without giving way to others")
	command.MarkFlagsMutuallyExclusive("dry-run", "pause", "restart")
	return command
}
