package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newMark(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "mark", "Mark the database as belonging to ENVIRONMENT", (*run.Engine).Mark)
}
