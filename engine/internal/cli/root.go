// Package cli binds the commands and their flags to the engine; it decides nothing.
package cli

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

// Run does what the command line says.
func Run(ctx context.Context, outside terminal.Terminal, arguments []string) error {
	root := newRoot(outside)
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	var failed *failure.Error
	if err != nil && !errors.As(err, &failed) {
		return failure.Refused("%s: see migrate --help", err)
	}
	return err
}

func newRoot(outside terminal.Terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           "migrate",
		Short:         "Run the database migrations of this service",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// A refusal is one sentence, and cobra's suggestions are a paragraph.
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableNoDescFlag: true},
	}
	root.SetIn(outside.In)
	root.SetOut(outside.Out)
	root.SetErr(outside.Err)
	root.AddCommand(
		newUp(outside), newDown(outside), newRedo(outside), newTo(outside),
		newStatus(outside), newVersion(outside), newPlan(outside), newPing(outside),
		newCreate(outside), newRecipes(outside), newValidate(outside), newSeed(outside), newReset(outside),
		newCheck(outside), newLint(outside), newTemplateCheck(outside), newDoctor(outside),
		newRepair(outside), newMark(outside), newWire(outside),
		newBackfill(outside), newMaintain(outside), newIndexes(outside), newJob(outside), newCronJobs(outside),
	)
	return root
}

// operation is a command without arguments and flags.
func operation(outside terminal.Terminal, name, short string, do func(*run.Engine, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			engine, err := run.New(outside)
			if err != nil {
				return err
			}
			return do(engine, command.Context())
		},
	}
}

// measured makes an operation on the database leave its metrics behind.
func measured(do func(*run.Engine, context.Context) error) func(*run.Engine, context.Context) error {
	return func(engine *run.Engine, ctx context.Context) error {
		return engine.Measured(ctx, func(ctx context.Context) error { return do(engine, ctx) })
	}
}

// version names the versions that decide what the program does.
func version() string {
	build, _ := debug.ReadBuildInfo()
	text := build.GoVersion
	for _, dependency := range build.Deps {
		switch dependency.Path {
		case "github.com/pressly/goose/v3":
			text += ", goose " + dependency.Version
		case "github.com/jackc/pgx/v5":
			text += ", pgx " + dependency.Version
		}
	}
	return text
}
