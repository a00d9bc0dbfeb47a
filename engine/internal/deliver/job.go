// Package deliver prints what a pipeline hands to Kubernetes. It needs no database. It never talks to Kubernetes.
//
// May import: backfill, environment, failure, maintenance, manifest, operate.
package deliver

import (
	"fmt"
	"slices"
	"strings"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/maintenance"
	"avion.internal/migrate/internal/manifest"
	"avion.internal/migrate/internal/operate"
)

// JobOptions are what a pipeline knows.
type JobOptions struct {
	Version, BuildNumber string
	// Command is what the engine does, with its argument where it takes one, as in "status" or "to 12"; up if it is empty.
	Command string
	// Backfill is the name of a backfill that it runs instead.
	Backfill string
	// Environment is staging, or production if it is empty.
	Environment string
	// Confirm is what a command asks for that cannot be taken back.
	Confirm string
}

// Job prints the Kubernetes Job of a release, or that of another command of the engine.
func Job(engine *operate.Engine, options JobOptions) error {
	release, err := manifest.NewRelease(options.Version, options.BuildNumber)
	if err != nil {
		return err
	}
	run, err := options.run(engine.Project.Migrations.Dir)
	if err != nil {
		return err
	}
	job, err := manifest.Read(".")
	if err != nil {
		return err
	}
	text, err := job.RenderRun(release, run)
	if err == nil {
		fmt.Fprint(engine.Terminal.Out, text)
	}
	return err
}

// Commands are what a Job may run, beside up: the commands of the program in the image that work on a database, but for those
// that have a Job of their own (backfill, maintain) and those for data that nobody needs.
var Commands = []string{"baseline", "down", "indexes", "mark", "ping", "plan", "repair", "status", "to", "up", "version"}

func (o JobOptions) run(migrations string) (manifest.Run, error) {
	var run manifest.Run
	words := strings.Fields(o.Command)
	switch {
	case o.Backfill != "" && len(words) > 0:
		return run, failure.Refused("COMMAND is %q and JOB is %q, but a Job does one of them: keep one", o.Command, o.Backfill)
	case o.Backfill != "":
		if _, err := backfill.Read(migrations, o.Backfill); err != nil {
			return run, err
		}
		run = manifest.Backfill(o.Backfill)
	case len(words) == 0 || len(words) == 1 && words[0] == "up":
	case !slices.Contains(Commands, words[0]):
		return run, failure.Refused("COMMAND is %q: a Job runs one of %s, and a backfill with JOB=: name one of these", o.Command, strings.Join(Commands, ", "))
	case len(words) > 2 || strings.HasPrefix(words[len(words)-1], "-"):
		return run, failure.Refused("COMMAND is %q: write a command with at most one argument, as in COMMAND='to 12'", o.Command)
	default:
		run = manifest.Run{Component: words[0], Arguments: words, Confirm: o.Confirm}
	}
	if o.Environment == "" {
		return run, nil
	}
	where, err := environment.Parse(o.Environment)
	if err != nil {
		return run, err
	}
	if where.Disposable() {
		return run, failure.Refused("ENVIRONMENT is %q: a Job runs in staging or production: name one of them", o.Environment)
	}
	if where != environment.Production {
		run.Environment = string(where)
	}
	return run, nil
}

// CronJobs prints a Kubernetes CronJob for every maintenance job. It needs no database.
func CronJobs(engine *operate.Engine, version string) error {
	release, err := manifest.NewVersion(version)
	if err != nil {
		return err
	}
	file, err := manifest.ReadCronJob(".")
	if err != nil {
		return err
	}
	names, err := maintenance.Jobs.Names(engine.Project.Migrations.Dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return failure.Refused("%s/%s holds no job that a CronJob could run: create one, as with make migrate-create RECIPE=session_cleanup",
			engine.Project.Migrations.Dir, maintenance.Jobs.Folder)
	}
	var all []string
	for _, name := range names {
		job, err := maintenance.Read(engine.Project.Migrations.Dir, name)
		if err != nil {
			return err
		}
		text, err := file.Render(release, manifest.Scheduled{Service: engine.Project.Service, Job: name, Daily: job.Schedule == maintenance.Daily})
		if err != nil {
			return err
		}
		all = append(all, text)
	}
	fmt.Fprint(engine.Terminal.Out, strings.Join(all, "---\n"))
	return nil
}
