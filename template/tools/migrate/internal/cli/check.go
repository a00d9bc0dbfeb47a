package cli

import (
	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newCheck(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "check", "Try every migration and its rollback on a throw-away database", (*run.Engine).Check)
}
