package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newRecipes(outside terminal.Terminal) *cobra.Command {
	var options run.RecipesOptions
	command := operation(outside, "recipes", "List what create --recipe can write, with the variables that it asks for",
		func(engine *run.Engine, ctx context.Context) error { return engine.Recipes(ctx, options) })
	command.Flags().BoolVar(&options.JSON, "json", false, "print JSON")
	return command
}
