package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newReset(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "reset", "Drop, create and migrate the database (development and test only)", (*run.Engine).Reset)
}
