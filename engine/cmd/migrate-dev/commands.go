package main

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/develop"
	"avion.internal/migrate/internal/terminal"
)

func commands(outside terminal.Terminal) []*cobra.Command {
	return []*cobra.Command{
		newAdopt(outside),
		newCreate(outside),
		newRecipes(outside),
		newValidate(outside),
		newLint(outside),
		newCheck(outside),
		newPlan(outside),
		operation(outside, "reset", "Drop, create and migrate the database (development and test only)", (*develop.Engine).Reset),
		operation(outside, "wire", "Add what is missing to the service's own Makefile, compose file and documents", (*develop.Engine).Wire),
		newImport(outside),
		newTestdb(outside),
		newSchema(outside),
		newDoctor(outside),
		operation(outside, "template-check", "Look for what an update of the template left unfinished", (*develop.Engine).TemplateCheck),
	}
}

func operation(outside terminal.Terminal, name, short string, do func(*develop.Engine, context.Context) error) *cobra.Command {
	return cli.Operation(outside, develop.New, name, short, do)
}

func newAdopt(outside terminal.Terminal) *cobra.Command {
	var options develop.AdoptOptions
	command := operation(outside, "adopt", "Show on one page what will be in the way when the service takes the template over; nothing is changed",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Adopt(ctx, options) })
	cli.JSON(command, &options.JSON)
	return command
}

func newCreate(outside terminal.Terminal) *cobra.Command {
	var options develop.CreateOptions
	command := cli.OperationOn(outside, develop.New, "create [NAME]", "Write a new migration file",
		func(engine *develop.Engine, ctx context.Context, name string) error {
			return engine.Create(ctx, name, options)
		})
	command.Args = cobra.ArbitraryArgs // a name of several words
	flags := command.Flags()
	flags.StringVar(&options.Block, "block", "", "first number of a reserved block of one hundred, as in 200")
	flags.StringVar(&options.Recipe, "recipe", "", "what to write into it; its variables come from the environment")
	flags.StringVar(&options.Step, "step", "", "which step of the recipe, if not the first")
	flags.StringVar(&options.Typed, "typed", "", "the names that were typed for the recipe, with blanks between: one that it does not know is refused")
	return command
}

func newRecipes(outside terminal.Terminal) *cobra.Command {
	var options develop.RecipesOptions
	command := operation(outside, "recipes", "List what create --recipe can write, with the variables that it asks for",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Recipes(ctx, options) })
	cli.JSON(command, &options.JSON)
	return command
}

func newValidate(outside terminal.Terminal) *cobra.Command {
	var options develop.ValidateOptions
	command := operation(outside, "validate", "Look for mistakes in the migration files",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Validate(ctx, options) })
	command.Flags().BoolVar(&options.Database, "database", false, "hold the files against the history of the database too")
	command.Flags().StringVar(&options.Base, "base", "", "hold the files against this branch or commit: what it has must not change, and new numbers come after its own")
	return command
}

func newLint(outside terminal.Terminal) *cobra.Command {
	var base string
	command := operation(outside, "lint", "Look for what is dangerous in new migrations, with squawk",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Lint(ctx, base) })
	command.Flags().StringVar(&base, "base", "", "lint what this branch or commit does not have; the default branch if empty")
	return command
}

func newCheck(outside terminal.Terminal) *cobra.Command {
	var options develop.CheckOptions
	command := operation(outside, "check", "Try every migration and its rollback on a throw-away database",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Check(ctx, options) })
	command.Flags().StringVar(&options.Base, "base", "", "try the migrations on top of those of this branch or commit, too")
	cli.JSON(command, &options.JSON)
	return command
}

func newPlan(outside terminal.Terminal) *cobra.Command {
	var asJSON bool
	command := operation(outside, "plan", "Print the SQL that up would run, and what PostgreSQL does with it on a throw-away database",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Plan(ctx, asJSON) })
	cli.JSON(command, &asJSON)
	return command
}

func newSchema(outside terminal.Terminal) *cobra.Command {
	var options develop.SchemaOptions
	command := operation(outside, "schema", "Write what the migrations make into schema.sql, as pg_dump puts it (development and test only)",
		func(engine *develop.Engine, ctx context.Context) error { return engine.SchemaFile(ctx, options) })
	command.Flags().BoolVar(&options.Check, "check", false, "fail where the file is not that, and write nothing")
	return command
}

func newTestdb(outside terminal.Terminal) *cobra.Command {
	var options develop.TestdbOptions
	command := operation(outside, "testdb", "Print the address of a fresh database with every migration, for one test (development and test only)",
		func(engine *develop.Engine, ctx context.Context) error { return engine.Testdb(ctx, options) })
	flags := command.Flags()
	flags.BoolVar(&options.Seed, "seed", false, "load the seeds, too")
	flags.BoolVar(&options.Wait, "wait", false, "stay until the standard input ends, and drop the database then")
	flags.StringVar(&options.Keep, "keep", "1h", "how long it stays where nobody drops it, from 1s to 24h: one of the next calls drops it after that")
	return command
}

func newImport(outside terminal.Terminal) *cobra.Command {
	return cli.OperationOn(outside, develop.New, "import [FOLDER]", "Write the files of golang-migrate or dbmate as goose's, and say which baseline belongs to them",
		(*develop.Engine).Import)
}

// newDoctor needs no engine: what is wrong with the files that one starts from is a finding.
func newDoctor(outside terminal.Terminal) *cobra.Command {
	options := develop.DoctorOptions{Engine: cli.Version()}
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Hold the service against its checklist, with evidence and the next steps",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return develop.Doctor(command.Context(), outside, options)
		},
	}
	command.Flags().BoolVar(&options.All, "all", false, "show every item, also those that are as they should be")
	cli.JSON(command, &options.JSON)
	command.Flags().StringVar(&options.Base, "base", "", "what counts as new is what this branch or commit does not have")
	return command
}
