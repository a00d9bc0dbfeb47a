package run

import (
	"fmt"
	"strings"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/maintenance"
	"avion.internal/migrate/internal/manifest"
)

// Job prints the Kubernetes Job of a release, or that of one of its backfills. It needs no database.
func (e *Engine) Job(version, buildNumber, name string) error {
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
		if _, err := backfill.Read(e.project.Migrations.Dir, name); err != nil {
			return err
		}
		render = func(release manifest.Release) (string, error) { return job.RenderBackfill(release, name) }
	}
	text, err := render(release)
	if err == nil {
		fmt.Fprint(e.terminal.Out, text)
	}
	return err
}

// CronJobs prints a Kubernetes CronJob for every maintenance job. It needs no database.
func (e *Engine) CronJobs(version string) error {
	release, err := manifest.NewVersion(version)
	if err != nil {
		return err
	}
	file, err := manifest.ReadCronJob(".")
	if err != nil {
		return err
	}
	names, err := maintenance.Jobs.Names(e.project.Migrations.Dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return failure.Refused("%s/%s holds no job that a CronJob could run: create one, as with make migrate-create RECIPE=session_cleanup",
			e.project.Migrations.Dir, maintenance.Jobs.Folder)
	}
	var all []string
	for _, name := range names {
		job, err := maintenance.Read(e.project.Migrations.Dir, name)
		if err != nil {
			return err
		}
		text, err := file.Render(release, manifest.Scheduled{Service: e.project.Service, Job: name, Daily: job.Schedule == maintenance.Daily})
		if err != nil {
			return err
		}
		all = append(all, text)
	}
	fmt.Fprint(e.terminal.Out, strings.Join(all, "---\n"))
	return nil
}
