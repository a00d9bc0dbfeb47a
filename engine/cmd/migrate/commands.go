package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/deliver"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/terminal"
)

func commands(outside terminal.Terminal) []*cobra.Command {
	return []*cobra.Command{
		newUp(outside),
		operation(outside, "down", "Roll back the migration that was applied last", measured((*operate.Engine).Down)),
		operation(outside, "redo", "Roll back the migration that was applied last and apply it again", measured((*operate.Engine).Redo)),
		newTo(outside),
		newStatus(outside),
		newVersion(outside),
		newPlan(outside),
		operation(outside, "ping", "Test the connection", (*operate.Engine).Ping),
		operation(outside, "seed", "Load test data (development and test only)", measured((*operate.Engine).Seed)),
		operation(outside, "repair", "Accept edited and renamed files of applied migrations as they are now", (*operate.Engine).Repair),
		operation(outside, "mark", "Mark the database as belonging to ENVIRONMENT", (*operate.Engine).Mark),
		newBaseline(outside),
		newBackfill(outside),
		newMaintain(outside),
		newIndexes(outside),
		newJob(outside),
		newCronJobs(outside),
	}
}

func operation(outside terminal.Terminal, name, short string, do func(*operate.Engine, context.Context) error) *cobra.Command {
	return cli.Operation(outside, operate.New, name, short, do)
}

// measured makes an operation on the database leave its metrics behind.
func measured(do func(*operate.Engine, context.Context) error) func(*operate.Engine, context.Context) error {
	return func(engine *operate.Engine, ctx context.Context) error {
		return engine.Measured(ctx, func(ctx context.Context) error { return do(engine, ctx) })
	}
}

func newUp(outside terminal.Terminal) *cobra.Command {
	var automatic bool
	command := operation(outside, "up", "Apply every pending migration",
		measured(func(engine *operate.Engine, ctx context.Context) error {
			if automatic {
				return engine.UpIfAutomatic(ctx)
			}
			return engine.Up(ctx)
		}))
	command.Flags().BoolVar(&automatic, "auto", false, "apply only if MIGRATION_AUTO_RUN is true")
	return command
}

func newTo(outside terminal.Terminal) *cobra.Command {
	return cli.OperationOn(outside, operate.New, "to VERSION", "Migrate up or down to a version; 0 rolls everything back",
		func(engine *operate.Engine, ctx context.Context, version string) error {
			return engine.Measured(ctx, func(ctx context.Context) error { return engine.To(ctx, version) })
		})
}

func newStatus(outside terminal.Terminal) *cobra.Command {
	var options operate.StatusOptions
	command := operation(outside, "status", "Show which migrations are applied",
		func(engine *operate.Engine, ctx context.Context) error { return engine.Status(ctx, options) })
	cli.JSON(command, &options.JSON)
	command.Flags().BoolVar(&options.ExitCode, "exit-code", false, "exit with 2 while migrations are pending")
	return command
}

func newVersion(outside terminal.Terminal) *cobra.Command {
	var options operate.VersionOptions
	command := operation(outside, "version", "Print the version of the database",
		func(engine *operate.Engine, ctx context.Context) error { return engine.Version(ctx, options) })
	cli.JSON(command, &options.JSON)
	command.Flags().BoolVar(&options.ExitCode, "exit-code", false, "exit with 2 while migrations are pending")
	return command
}

func newPlan(outside terminal.Terminal) *cobra.Command {
	var asJSON bool
	command := operation(outside, "plan", "Print the SQL that up would run, how large what it names is, and who is in the way",
		func(engine *operate.Engine, ctx context.Context) error { return engine.Plan(ctx, asJSON) })
	cli.JSON(command, &asJSON)
	return command
}

func newBaseline(outside terminal.Terminal) *cobra.Command {
	var options operate.BaselineOptions
	command := cli.OperationOn(outside, operate.New, "baseline VERSION", "Record the files up to a version as applied without running them, where the database has their objects",
		func(engine *operate.Engine, ctx context.Context, version string) error {
			return engine.Baseline(ctx, version, options)
		})
	cli.JSON(command, &options.JSON)
	return command
}

func newBackfill(outside terminal.Terminal) *cobra.Command {
	var options operate.BackfillOptions
	command := cli.OperationOn(outside, operate.New, "backfill [JOB]", "Move data in throttled batches that can be resumed; without JOB list the jobs",
		func(engine *operate.Engine, ctx context.Context, job string) error {
			return engine.Backfill(ctx, job, options)
		})
	flags := command.Flags()
	flags.BoolVar(&options.DryRun, "dry-run", false, "try a batch, roll it back, and say how long the job would take")
	flags.BoolVar(&options.Pause, "pause", false, "end a running job after its batch, wherever it runs; running it again resumes it")
	flags.BoolVar(&options.Restart, "restart", false, "begin again at the first row")
	flags.BoolVar(&options.Unthrottled, "unthrottled", false, "work without rests and without giving way to others")
	command.MarkFlagsMutuallyExclusive("dry-run", "pause", "restart")
	return command
}

func newMaintain(outside terminal.Terminal) *cobra.Command {
	return cli.OperationOn(outside, operate.New, "maintain [JOB]", "Do what tables need again and again, such as deleting expired rows; without JOB list the jobs",
		(*operate.Engine).Maintain)
}

func newIndexes(outside terminal.Terminal) *cobra.Command {
	var options operate.IndexesOptions
	command := operation(outside, "indexes", "List the indexes that are invalid, superfluous or unused",
		func(engine *operate.Engine, ctx context.Context) error { return engine.Indexes(ctx, options) })
	cli.JSON(command, &options.JSON)
	return command
}

func newJob(outside terminal.Terminal) *cobra.Command {
	var options deliver.JobOptions
	command := operation(outside, "job", "Print the Kubernetes Job of a release, for kubectl create",
		func(engine *operate.Engine, _ context.Context) error {
			options.Confirm = engine.Settings.Typed(config.Confirm)
			return deliver.Job(engine, options)
		})
	flags := command.Flags()
	flags.StringVar(&options.Version, "version", "", "the tag of the migration image, as in 1.2.3 or 1.2.3@sha256:…")
	flags.StringVar(&options.BuildNumber, "build-number", "", "the number of this run of the pipeline, at most ten digits")
	flags.StringVar(&options.Backfill, "backfill", "", "a job in migrations/backfill that it runs instead of the migrations")
	flags.StringVar(&options.Command, "command", "", "what it runs instead of up, with its argument if it takes one: "+strings.Join(deliver.Commands, ", "))
	flags.StringVar(&options.Environment, "environment", "", "where it runs, staging or production; production if empty")
	return command
}

func newCronJobs(outside terminal.Terminal) *cobra.Command {
	var version string
	command := operation(outside, "cronjobs", "Print a Kubernetes CronJob for every maintenance job, for kubectl apply",
		func(engine *operate.Engine, _ context.Context) error { return deliver.CronJobs(engine, version) })
	command.Flags().StringVar(&version, "version", "", "the tag of the migration image, as in 1.2.3 or 1.2.3@sha256:…")
	return command
}
