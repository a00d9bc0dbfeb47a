package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newSeed(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "seed", "Load test data (development and test only)", measured((*run.Engine).Seed))
}
