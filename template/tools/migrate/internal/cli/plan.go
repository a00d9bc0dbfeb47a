package cli

import (
	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newPlan(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "plan", "Print the SQL that up would run", (*run.Engine).Plan)
}
