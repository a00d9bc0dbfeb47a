package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newCreate(outside terminal.Terminal) *cobra.Command {
	var options run.CreateOptions
	command := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Write a new migration file",
		RunE: func(command *cobra.Command, words []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return engine.Create(command.Context(), strings.Join(words, " "), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Block, "block", "", "first number of a reserved block of one hundred, as in 200")
	flags.StringVar(&options.Recipe, "recipe", "", "what to write into it; its variables come from the environment")
	flags.StringVar(&options.Step, "step", "", "which step of the recipe, if not the first")
	flags.StringVar(&options.Typed, "typed", "", "the names that were typed for the recipe, with blanks between: one that it does not know is refused")
	return command
}
