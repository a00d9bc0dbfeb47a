package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newDown(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "down", "Roll back the migration that was applied last", measured((*run.Engine).Down))
}
