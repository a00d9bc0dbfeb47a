package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newRedo(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "redo", "Roll back the migration that was applied last and apply it again", measured((*run.Engine).Redo))
}
