package cli

import (
	"context"

	"github.com/spf13/cobra"

	"migrate/internal/run"
	"migrate/internal/terminal"
)

func newValidate(outside terminal.Terminal) *cobra.Command {
	return operation(outside, "validate", "Look for mistakes in the migration files, without a database",
		func(engine *run.Engine, _ context.Context) error { return engine.Validate() })
}
