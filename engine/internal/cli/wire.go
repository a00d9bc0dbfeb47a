package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newWire(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "wire", "Add what is missing to the service's own Makefile, compose file and documents", (*run.Engine).Wire)
}
