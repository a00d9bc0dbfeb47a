package operate

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/runlock"
)

// BackfillOptions are what to do with a job other than bringing it to its end.
type BackfillOptions struct {
	// DryRun tries a batch, rolls it back, and says how long the job would take.
	DryRun bool
	// Pause ends a running job after its batch, wherever it runs.
	Pause bool
	// Restart forgets how far the job came.
	Restart bool
	// Unthrottled works without rests and without a look at what it does to others.
	Unthrottled bool
}

// Backfill brings a job to its end, in batches, beside an application that goes on working. Without a name it lists the
// jobs.
func (e *Engine) Backfill(ctx context.Context, name string, options BackfillOptions) error {
	if name == "" {
		return e.listBackfills(ctx)
	}
	job, err := backfill.Read(e.Project.Migrations.Dir, name)
	if err != nil {
		return err
	}
	session, err := e.openForJob(ctx, "a backfill")
	if err != nil {
		return err
	}
	defer session.Close()
	table := backfill.Table(e.Project.Migrations.Table)
	if options.Pause {
		return session.pauseBackfill(ctx, table, job)
	}
	runner, err := session.runner(job, table)
	if err != nil {
		return err
	}
	if options.DryRun {
		return e.estimate(ctx, session, runner)
	}
	if err := session.lockJob(ctx, table, job.Name); err != nil {
		return err
	}
	if options.Unthrottled {
		runner.OpenWatcher = nil
	}
	return runner.Run(ctx, options.Restart)
}

// runner is what brings a job to its end in a session.
func (s *Session) runner(job backfill.Job, table string) (*backfill.Runner, error) {
	patience, err := s.Engine.retryTimeout()
	return &backfill.Runner{
		Job: job, Table: table, Session: s.DB, PID: s.pid, Patience: patience,
		OpenWatcher: func(ctx context.Context) (*sql.DB, error) { return s.Target.Open(ctx, s.Engine.Report.Say) },
		Say:         s.Engine.Report.Say, Show: s.Engine.progress(job),
	}, err
}

// openForJob opens a session on a database whose history is that of the files. Pending migrations are no obstacle: the next
// one may be waiting for this very job.
func (e *Engine) openForJob(ctx context.Context, what string) (*Session, error) {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return nil, err
	}
	if session.Target.Pooled() {
		err = failure.Refused("%s needs a session of its own, which lock: table in .goose.yml says that the way through %s "+
			"does not give: connect to the server itself", what, session.Target.Address())
	} else {
		err = current.Check()
	}
	if err != nil {
		session.Close()
		return nil, err
	}
	return session, nil
}

// lockJob keeps a second runner of the job away; migrations and other jobs go on.
func (s *Session) lockJob(ctx context.Context, table, job string) error {
	timeout, err := s.Engine.lockTimeout()
	if err != nil {
		return err
	}
	return runlock.Advisory{
		Database: s.Target.Database,
		Table:    table + "/" + job,
		Timeout:  timeout,
		Say:      s.Engine.Report.Say,
	}.Acquire(ctx, s.DB)
}

func (s *Session) pauseBackfill(ctx context.Context, table string, job backfill.Job) error {
	all, err := backfill.ReadProgress(ctx, s.DB, table)
	if err != nil {
		return s.Unreadable(ctx, table, err)
	}
	found, begun := all[job.Name]
	if !begun || found.State == backfill.Done {
		s.Engine.Report.Say("%s is not running in %s: there is nothing to pause", job.Name, s.Target.Database)
		return nil
	}
	if _, err := backfill.SetState(ctx, s.DB, table, job.Name, backfill.Running, backfill.Paused); err != nil {
		return s.Unreadable(ctx, table, err)
	}
	s.Engine.Report.Say("%s is paused after %d rows: run it again to go on", job.Name, found.Scanned)
	return nil
}

func (e *Engine) estimate(ctx context.Context, session *Session, runner *backfill.Runner) error {
	found, err := runner.Estimate(ctx)
	if err != nil {
		return err
	}
	e.Report.Say("%s: about %d rows are left in %s; %d of them took %s, and %d would change: at %d%% load about %s, without its waiting for others",
		found.Job, found.Rows, session.Target.Database, found.Trial, found.Took.Round(time.Millisecond), found.Changed,
		runner.Job.Pace.Load, found.Total.Round(time.Second))
	return json.NewEncoder(e.Terminal.Out).Encode(found)
}

func (e *Engine) listBackfills(ctx context.Context) error {
	names, err := backfill.Jobs.Names(e.Project.Migrations.Dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		e.Report.Say("%s/%s holds no job: docs/migration-guide.md says how to write one", e.Project.Migrations.Dir, backfill.Jobs.Folder)
		return nil
	}
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	table := backfill.Table(e.Project.Migrations.Table)
	all, err := backfill.ReadProgress(ctx, session.DB, table)
	if err != nil {
		return session.Unreadable(ctx, table, err)
	}
	for _, name := range names {
		state, rows := "not begun", int64(0)
		if found, begun := all[name]; begun {
			state, rows = string(found.State), found.Scanned
		}
		fmt.Fprintf(e.Terminal.Out, "%-9s  %12d rows  %s\n", state, rows, name)
	}
	return nil
}

const (
	lineEvery   = 5 * time.Second
	redrawEvery = 200 * time.Millisecond
)

// progress shows a bar on a screen, and a line of JSON now and then elsewhere.
func (e *Engine) progress(job backfill.Job) func(backfill.Report) {
	if e.Terminal.Screen {
		return e.bar(job)
	}
	var last time.Time
	lines := json.NewEncoder(e.Terminal.Out)
	return func(now backfill.Report) {
		if now.State == backfill.Running && time.Since(last) < lineEvery {
			return
		}
		last = time.Now()
		_ = lines.Encode(now)
	}
}

func (e *Engine) bar(job backfill.Job) func(backfill.Report) {
	var bar *progressbar.ProgressBar
	return func(now backfill.Report) {
		if bar == nil {
			bar = progressbar.NewOptions64(now.Total, progressbar.OptionSetWriter(e.Terminal.Err), progressbar.OptionSetDescription(job.Name),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"),
				progressbar.OptionThrottle(redrawEvery), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth())
		}
		bar.ChangeMax64(max(now.Total, 1))
		_ = bar.Set64(now.Scanned)
		if now.State != backfill.Running {
			_ = bar.Close()
			fmt.Fprintln(e.Terminal.Err)
		}
	}
}
