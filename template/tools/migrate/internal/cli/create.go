package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newCreate(outside terminal.Terminal) *cobra.Command {
	var block string
	command := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Write a new migration file",
		RunE: func(command *cobra.Command, words []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return engine.Create(command.Context(), strings.Join(words, " "), block)
		},
	}
	command.Flags().StringVar(&block, "block", "", "first number of a reserved block of one hundred, as in 200")
	return command
}
