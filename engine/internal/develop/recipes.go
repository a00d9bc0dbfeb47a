package develop

import (
	"context"
	"fmt"
	"text/tabwriter"

	"avion.internal/migrate/internal/recipe"
)

// RecipesOptions choose the form of the answer.
type RecipesOptions struct {
	JSON bool
}

// Recipes lists what Create can write by itself.
func (e *Engine) Recipes(_ context.Context, options RecipesOptions) error {
	catalog, err := recipe.Catalog()
	if err != nil {
		return err
	}
	if options.JSON {
		return e.PrintJSON(catalog)
	}
	for position, one := range catalog {
		if position > 0 {
			fmt.Fprintln(e.Terminal.Out)
		}
		fmt.Fprintf(e.Terminal.Out, "%s: %s\n", one.Name, one.Summary)
		table := tabwriter.NewWriter(e.Terminal.Out, 0, 0, 2, ' ', 0)
		for _, variable := range one.Variables {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", variable.Name, otherwise(variable), variable.Meaning)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, step := range one.Steps {
			fmt.Fprintf(e.Terminal.Out, "  %s: %s\n    %s\n", step.Name, step.Summary, step.Command)
		}
	}
	return nil
}

// otherwise says what becomes of a variable when nobody types it.
func otherwise(variable recipe.Variable) string {
	switch {
	case variable.Otherwise == nil:
		return "as in " + variable.Example
	case *variable.Otherwise == "":
		return "optional"
	default:
		return "otherwise " + *variable.Otherwise
	}
}
