package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newRepair(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "repair", "Accept edited and renamed files of applied migrations as they are now", (*run.Engine).Repair)
}
