package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"avion.internal/migrate/internal/maintenance"
	"avion.internal/migrate/internal/metrics"
)

// clockReader tells the time. It is the server's: that of a machine which runs a job may be wrong, and rows that are deleted too
// early do not come back.
type clockReader func(context.Context, *Session) (time.Time, error)

func serverTime(ctx context.Context, session *Session) (now time.Time, err error) {
	if err = session.QueryRowContext(ctx, "SELECT now()").Scan(&now); err != nil {
		err = session.Unreadable(ctx, "now()", err)
	}
	return now, err
}

// Maintain does one run of a maintenance job. Without a name it lists the jobs.
func (e *Engine) Maintain(ctx context.Context, name string) error {
	if name == "" {
		return e.listMaintenance()
	}
	return e.maintainAt(ctx, name, serverTime)
}

func (e *Engine) maintainAt(ctx context.Context, name string, clock clockReader) error {
	e.measured.Maintenance = &metrics.Maintenance{Job: name}
	return e.Measured(ctx, func(ctx context.Context) error { return e.maintain(ctx, name, clock) })
}

func (e *Engine) maintain(ctx context.Context, name string, clock clockReader) error {
	job, err := maintenance.Read(e.Project.Migrations.Dir, name)
	if err != nil {
		return err
	}
	session, err := e.openForJob(ctx, "maintenance")
	if err != nil {
		return err
	}
	defer session.Close()
	table := maintenance.Table(e.Project.Migrations.Table)
	if err := session.lockJob(ctx, table, name); err != nil {
		return err
	}
	now, err := clock(ctx, session)
	if err != nil {
		return err
	}
	if job.Kind == maintenance.Partitions {
		return session.keepPartitions(ctx, job, now)
	}
	return session.deleteRows(ctx, job, table, now)
}

func (s *Session) deleteRows(ctx context.Context, job maintenance.Job, table string, now time.Time) error {
	runner, err := s.runner(job.Rows, table)
	if err != nil {
		return err
	}
	runner.Before, runner.Budget = job.Before(now), job.Budget
	done, err := runner.Repeat(ctx)
	s.Engine.measured.Maintenance.Rows = done.Changed
	if err != nil {
		return err
	}
	if done.Ended {
		s.Engine.Report.Say("%s is done in %s: %d rows", job.Name, s.Target.Database, done.Changed)
	} else {
		s.Engine.Report.Say("%s has used up what one run may do in %s: %d rows: the next run goes on", job.Name, s.Target.Database, done.Changed)
	}
	return nil
}

func (s *Session) keepPartitions(ctx context.Context, job maintenance.Job, now time.Time) error {
	patience, err := s.Engine.retryTimeout()
	if err != nil {
		return err
	}
	keeper := &maintenance.Keeper{
		Job: job, Session: s.DB, Table: maintenance.DetachedTable(s.Engine.Project.Migrations.Table), Now: now,
		Patience: patience, Say: s.Engine.Report.Say,
	}
	kept, err := keeper.Keep(ctx)
	measured := s.Engine.measured.Maintenance
	measured.Created, measured.Dropped, measured.Held = len(kept.Created), len(kept.Dropped), len(kept.Held)
	if err != nil {
		return err
	}
	s.Engine.Report.Say("%s is done in %s: %d partitions created, %d dropped, %d kept because they are held",
		job.Name, s.Target.Database, len(kept.Created), len(kept.Dropped), len(kept.Held))
	return json.NewEncoder(s.Engine.Terminal.Out).Encode(kept)
}

// listMaintenance reads every file: one that is wrong shows here, before a cluster runs it.
func (e *Engine) listMaintenance() error {
	dir := e.Project.Migrations.Dir
	names, err := maintenance.Jobs.Names(dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		e.Report.Say("%s/%s holds no job: docs/migration-guide.md says how to write one", dir, maintenance.Jobs.Folder)
	}
	for _, name := range names {
		job, err := maintenance.Read(dir, name)
		if err != nil {
			return err
		}
		table := job.Table
		if job.Kind == maintenance.Delete {
			table = job.Rows.Table
		}
		fmt.Fprintf(e.Terminal.Out, "%-10s  %-30s  %s\n", job.Kind, table, name)
	}
	return nil
}
