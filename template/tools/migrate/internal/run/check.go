package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"path/filepath"
	"strings"

	"migrate/internal/connection"
	"migrate/internal/failure"
	"migrate/internal/migration"
	"migrate/internal/report"
	"migrate/internal/schema"
)

// Check tries every migration and every seed, forwards and back, on a database of its own that nobody needs.
func (e *Engine) Check(ctx context.Context) (err error) {
	target, err := e.target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("check"); err != nil {
		return err
	}
	steps, err := e.reversible()
	if err != nil {
		return err
	}
	maintenance, err := e.openMaintenance(ctx, target)
	if err != nil {
		return err
	}
	defer maintenance.Close()
	scratch, err := maintenance.createScratch(ctx, target)
	if err != nil {
		return err
	}
	defer func() {
		// An interrupt ends the check, not the tidying up.
		left := maintenance.dropScratch(context.WithoutCancel(ctx), scratch.Database)
		if err != nil && left != nil {
			e.report.Say("%s", left)
		}
		err = cmp.Or(err, left)
	}()
	return e.check(ctx, scratch, steps)
}

// reversible are all migrations, each of which can be applied and rolled back.
func (e *Engine) reversible() ([]migration.Migration, error) {
	if err := e.checkFiles(); err != nil {
		return nil, err
	}
	directory, err := migration.ReadDirectory(e.project.Migrations.Dir, e.project.Migrations.Naming)
	if err != nil {
		return nil, err
	}
	for _, step := range directory.Migrations {
		if err := directory.CheckDown(step); err != nil {
			return nil, err
		}
	}
	return directory.Migrations, nil
}

func (e *Engine) check(ctx context.Context, scratch connection.Target, steps []migration.Migration) error {
	// What matters is told once for each migration; the engine's own lines would tell it five times.
	silent := *e
	silent.report = report.Reporter{Writer: io.Discard}
	session, err := silent.openTarget(ctx, scratch)
	if err != nil {
		return err
	}
	defer session.Close()
	checking := &checker{session: session, say: e.report.Say}
	if err := checking.rehearse(ctx, steps); err != nil {
		return err
	}
	if err := checking.seedTwice(ctx); err != nil {
		return err
	}
	e.report.Say("%s can be applied, rolled back and applied again", count(len(steps)))
	return nil
}

// createScratch makes a database with the settings of the one that it stands in for, where that is there.
func (s *session) createScratch(ctx context.Context, target connection.Target) (connection.Target, error) {
	found, err := s.inspect(ctx, "check", target.Database)
	if err != nil {
		return connection.Target{}, err
	}
	found.name = scratchName(target.Database)
	found.owner = s.target.User
	// An interrupt in the middle would leave it unknown whether there is something to drop.
	if _, err := s.ExecContext(context.WithoutCancel(ctx), found.createStatement()); err != nil {
		return connection.Target{}, s.cannot("created", "check", found, err)
	}
	return target.Elsewhere(found.name), nil
}

func (s *session) dropScratch(ctx context.Context, name string) error {
	if _, err := s.ExecContext(ctx, "DROP DATABASE IF EXISTS "+quoteName(name)+" WITH (FORCE)"); err != nil {
		return s.cannot("dropped", "check", database{name: name}, err)
	}
	return nil
}

// longestDatabaseName is the server's limit: it would cut the random end off without a word.
const longestDatabaseName = 63

func scratchName(database string) string {
	end := "_check_" + strings.ToLower(rand.Text()[:12])
	return database[:min(len(database), longestDatabaseName-len(end))] + end
}

// checker walks through the migrations and compares the schema after each step with what it has to be.
type checker struct {
	*session
	say func(format string, values ...any)
	// schemas[n] is the schema with the first n migrations applied.
	schemas []schema.Schema
}

// rehearse applies the migrations one by one, each with its Down and once more, then takes all of them back, and
// applies all of them again.
func (c *checker) rehearse(ctx context.Context, steps []migration.Migration) error {
	empty, err := c.schema(ctx)
	if err != nil {
		return err
	}
	c.schemas = append(c.schemas, empty)
	for position, step := range steps {
		if err := c.apply(ctx, step, up); err != nil {
			return err
		}
		after, err := c.schema(ctx)
		if err != nil {
			return err
		}
		c.schemas = append(c.schemas, after)
		if err := c.rollBack(ctx, steps, position); err != nil {
			return err
		}
		if err := c.again(ctx, steps, position); err != nil {
			return err
		}
		c.say("ok %s: up, down, up", step.File)
	}
	for position := len(steps) - 1; position >= 0; position-- {
		if err := c.rollBack(ctx, steps, position); err != nil {
			return err
		}
	}
	c.say("ok down to nothing")
	for position := range steps {
		if err := c.again(ctx, steps, position); err != nil {
			return err
		}
	}
	c.say("ok up to %s again", migration.FormatVersion(steps[len(steps)-1].Version))
	return nil
}

func (c *checker) rollBack(ctx context.Context, steps []migration.Migration, position int) error {
	if err := c.apply(ctx, steps[position], down); err != nil {
		return err
	}
	return c.compare(ctx, position, "%s does not undo in Down what it does in Up: correct its Down section",
		filepath.Join(c.engine.project.Migrations.Dir, steps[position].File))
}

func (c *checker) again(ctx context.Context, steps []migration.Migration, position int) error {
	if err := c.apply(ctx, steps[position], up); err != nil {
		return err
	}
	return c.compare(ctx, position+1, "%s does something else when it is applied again after its Down: correct it",
		filepath.Join(c.engine.project.Migrations.Dir, steps[position].File))
}

func (c *checker) apply(ctx context.Context, step migration.Migration, way direction) error {
	current, err := c.read(ctx)
	if err != nil {
		return err
	}
	if err := c.prepare(ctx, current); err != nil {
		return err
	}
	return c.session.apply(ctx, current, []migration.Migration{step}, way)
}

// compare fails, with the difference, unless the schema is the one of the first applied migrations.
func (c *checker) compare(ctx context.Context, applied int, format string, file string) error {
	now, err := c.schema(ctx)
	if err != nil {
		return err
	}
	if difference := schema.Diff(c.schemas[applied], now); difference != "" {
		c.say("--- the schema as it has to be\n+++ the schema as it is\n%s", strings.TrimSuffix(difference, "\n"))
		return failure.MigrationFailed(format, file)
	}
	return nil
}

func (c *checker) schema(ctx context.Context) (schema.Schema, error) {
	project := c.engine.project
	found, err := schema.Read(ctx, c.DB, project.Migrations.Table, project.Seed.Table)
	if err != nil {
		return nil, c.unreadable(ctx, "pg_catalog", err)
	}
	return found, nil
}

// seedTwice loads every seed and once more, as each `make migrate-seed` does.
func (c *checker) seedTwice(ctx context.Context) error {
	if empty, err := c.engine.nothingToSeed(); empty || err != nil {
		return err
	}
	for range 2 {
		if err := c.seed(ctx); err != nil {
			return err
		}
	}
	c.say("ok seeds, twice")
	return nil
}
