package develop

import (
	"cmp"
	"context"
	"io"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/report"
)

// CheckOptions choose what is tried besides the service's own files, and the form of the answer.
type CheckOptions struct {
	// Base is the branch that the work is merged to; nothing is tried on top of it if it is empty.
	Base string
	JSON bool
}

// Check tries every migration and every seed, forwards and back, on databases of its own that nobody needs.
func (e *Engine) Check(ctx context.Context, options CheckOptions) error {
	result := &checkResult{Migrations: []checkedMigration{}, Passed: []string{}}
	err := e.checkInto(ctx, options, result)
	result.end(err)
	return cmp.Or(err, e.publish(result, options))
}

func (e *Engine) checkInto(ctx context.Context, options CheckOptions, result *checkResult) (err error) {
	target, err := e.Target()
	if err != nil {
		return err
	}
	result.Database, result.Environment, result.Service = target.Database, string(target.Environment), e.Project.Service
	if err := target.Environment.CheckDisposable("check"); err != nil {
		return err
	}
	directory, err := e.reversible()
	if err != nil {
		return err
	}
	base, err := e.readBase(ctx, options.Base)
	if err != nil {
		return err
	}
	result.base = base
	maintenance, err := e.openMaintenance(ctx, target)
	if err != nil {
		return err
	}
	defer maintenance.Close()
	databases := &scratches{maintenanceSession: maintenance, target: target}
	if err := databases.dropAbandoned(ctx); err != nil {
		return err
	}
	defer func() {
		left := databases.drop(ctx)
		if err != nil && left != nil {
			e.Report.Say("%s", left)
		}
		err = cmp.Or(err, left)
	}()
	return e.check(ctx, databases, directory, result)
}

// reversible are all migrations, each of which can be applied, and rolled back where it is judged.
func (e *Engine) reversible() (migration.Directory, error) {
	if err := e.CheckFiles(); err != nil {
		return migration.Directory{}, err
	}
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return migration.Directory{}, err
	}
	for _, step := range directory.Migrations[directory.Unjudged():] {
		if err := directory.CheckDown(step); err != nil {
			return migration.Directory{}, err
		}
	}
	return directory, nil
}

func (e *Engine) check(ctx context.Context, databases *scratches, directory migration.Directory, result *checkResult) error {
	scratch, err := databases.create(ctx)
	if err != nil {
		return err
	}
	session, err := silent(e.Engine).OpenTarget(ctx, scratch)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.QueryRowContext(ctx, "SHOW server_version").Scan(&result.Server); err != nil {
		return session.Unreadable(ctx, "server_version", err)
	}
	checking := &checker{Session: session, directory: directory, result: result, say: e.Report.Say}
	if err := checking.rehearse(ctx); err != nil {
		return err
	}
	if err := checking.review(ctx, e, result.base.name); err != nil {
		return err
	}
	if err := checking.seedTwice(ctx); err != nil {
		return err
	}
	if err := checking.onTopOfBase(ctx, databases); err != nil {
		return err
	}
	if err := checking.race(ctx, databases); err != nil {
		return err
	}
	unjudged := directory.Unjudged()
	if unjudged > 0 {
		e.Report.Say("%s below check_from can be applied", report.Migrations(unjudged))
	}
	if judged := len(directory.Migrations) - unjudged; judged > 0 {
		e.Report.Say("%s can be applied, rolled back and applied again", report.Migrations(judged))
	}
	return nil
}

// silent is the engine without a voice: what matters is told once for each migration, and its own lines would tell it
// many times.
func silent(engine *operate.Engine) *operate.Engine { return heardBy(engine, io.Discard) }

func heardBy(engine *operate.Engine, listener io.Writer) *operate.Engine {
	quiet := *engine
	quiet.Report = report.Reporter{Writer: listener}
	return &quiet
}
