package develop

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/draft"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/recipe"
)

// CreateOptions choose the number and the content of a new migration.
type CreateOptions struct {
	Block string
	// Recipe and Step name what to write; without them the file is empty.
	Recipe, Step string
	// Typed are the names that were typed for the recipe, so that a misspelt one is found.
	Typed string
}

// Create writes a new migration file, with the jobs that a recipe adds to it, and prints their paths. Without a name it
// asks for one, if somebody is there.
func (e *Engine) Create(ctx context.Context, name string, options CreateOptions) error {
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return err
	}
	file, next, err := e.draft(name, options)
	if err != nil {
		return err
	}
	if file.Name == "" && e.Terminal.Interactive {
		file.Name = e.Terminal.Ask(ctx, "Name of the migration (as in add_user_profile): ")
	}
	file.Author, file.Date = e.author(ctx), time.Now()
	paths, err := draft.Create(directory, file)
	if err != nil {
		return err
	}
	for _, path := range paths {
		fmt.Fprintln(e.Terminal.Out, path)
	}
	e.Report.Say("%s", next)
	return nil
}

// draft is what the recipe says, or an empty file, and what is to be done with it.
func (e *Engine) draft(name string, options CreateOptions) (draft.Draft, string, error) {
	file := draft.Draft{Name: name, Block: options.Block}
	if options.Recipe == "" {
		if options.Step != "" {
			return file, "", failure.Refused("STEP is %q, and there is no RECIPE: name both (make migrate-recipes lists them)", options.Step)
		}
		return file, "write the change into it, then run make migrate-up", nil
	}
	stamp, err := recipe.Render(recipe.Request{
		Recipe: options.Recipe, Step: options.Step, Names: strings.Fields(options.Typed), Value: e.Settings.TypedNamed,
	})
	if err != nil {
		return file, "", err
	}
	file.Name = cmp.Or(name, stamp.Name)
	file.Purpose, file.Script, file.Files = stamp.Purpose, stamp.Script, stamp.Files
	return file, cmp.Or(stamp.Next, "read it, then run make migrate-up"), nil
}

// author prefers the person at the keyboard to the team that owns the service.
func (e *Engine) author(ctx context.Context) string {
	name, _ := child.Git(ctx, "config", "user.name").Output()
	return cmp.Or(strings.TrimSpace(string(name)), e.Project.Author, "unknown")
}
