package cli

import (
	"context"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/run"
	"avion.internal/migrate/internal/terminal"
)

func newJob(outside terminal.Terminal) *cobra.Command {
	var version, buildNumber, backfill string
	command := operation(outside, "job", "Print the Kubernetes Job of a release, for kubectl create",
		func(engine *run.Engine, _ context.Context) error { return engine.Job(version, buildNumber, backfill) })
	command.Flags().StringVar(&version, "version", "", "the tag of the migration image, as in 1.2.3 or 1.2.3@sha256:…")
	command.Flags().StringVar(&buildNumber, "build-number", "", "the number of this run of the pipeline, at most ten digits")
	command.Flags().StringVar(&backfill, "backfill", "", "a job in migrations/backfill that it runs instead of the migrations")
	return command
}

func newCronJobs(outside terminal.Terminal) *cobra.Command {
	var version string
	command := operation(outside, "cronjobs", "Print a Kubernetes CronJob for every maintenance job, for kubectl apply",
		func(engine *run.Engine, _ context.Context) error { return engine.CronJobs(version) })
	command.Flags().StringVar(&version, "version", "", "the tag of the migration image, as in 1.2.3 or 1.2.3@sha256:…")
	return command
}
