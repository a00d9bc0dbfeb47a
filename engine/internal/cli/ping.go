package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newPing(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "ping", "Test the connection", (*run.Engine).Ping)
}
