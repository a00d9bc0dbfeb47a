// Package deliver prints what a pipeline hands to Kubernetes. It needs no database. It never talks to Kubernetes.
//
// May import: backfill, failure, maintenance, manifest, operate.
package deliver

import (
	"fmt"
	"strings"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/maintenance"
	"avion.internal/migrate/internal/manifest"
	"avion.internal/migrate/internal/operate"
)

// Job prints the Kubernetes Job of a release, or that of one of its backfills. It needs no database.
func Job(engine *operate.Engine, version, buildNumber, name string) error {
	release, err := manifest.NewRelease(version, buildNumber)
	if err != nil {
		return err
	}
	job, err := manifest.Read(".")
	if err != nil {
		return err
	}
	render := job.Render
	if name != "" {
		if _, err := backfill.Read(engine.Project.Migrations.Dir, name); err != nil {
			return err
		}
		render = func(release manifest.Release) (string, error) { return job.RenderBackfill(release, name) }
	}
	text, err := render(release)
	if err == nil {
		fmt.Fprint(engine.Terminal.Out, text)
	}
	return err
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
