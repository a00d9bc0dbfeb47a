package cli

import (
	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newTemplateCheck(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "template-check", "Look for what an update of the template left unfinished",
		(*run.Engine).TemplateCheck)
}
