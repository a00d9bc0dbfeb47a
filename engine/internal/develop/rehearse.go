package develop

import (
	"context"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/schema"
)

// checker walks through the migrations and compares the schema after each step with what it has to be.
type checker struct {
	*operate.Session
	directory migration.Directory
	result    *checkResult
	say       func(format string, values ...any)
	// schemas[n] is the schema with the first n migrations applied.
	schemas []schema.Schema
}

// rehearse applies the migrations one by one, each with its Down and once more, then takes all of them back, and
// applies all of them again. Of what is not judged it asks only that it can be applied.
func (c *checker) rehearse(ctx context.Context) error {
	steps := c.directory.Migrations
	empty, err := readSchema(ctx, c.Session)
	if err != nil {
		return err
	}
	c.schemas = append(c.schemas, empty)
	for position, step := range steps {
		checked, err := c.measure(ctx, step)
		if err != nil {
			return err
		}
		after, err := readSchema(ctx, c.Session)
		if err != nil {
			return err
		}
		c.schemas = append(c.schemas, after)
		c.result.Migrations = append(c.result.Migrations, checked)
		if !c.directory.Judged(step) {
			c.say("ok %s: up, and no more, because check_from is higher (%s)", step.File, checked)
			continue
		}
		if err := c.rollBack(ctx, steps, position); err != nil {
			return err
		}
		if err := c.again(ctx, steps, position); err != nil {
			return err
		}
		c.say("ok %s: up, down, up (%s)", step.File, checked)
	}
	first := c.directory.Unjudged()
	if first == len(steps) {
		return nil
	}
	for position := len(steps) - 1; position >= first; position-- {
		if err := c.rollBack(ctx, steps, position); err != nil {
			return err
		}
	}
	bottom := "nothing"
	if first > 0 {
		bottom = migration.FormatVersion(steps[first-1].Version)
	}
	c.passed("down to " + bottom)
	for position := first; position < len(steps); position++ {
		if err := c.again(ctx, steps, position); err != nil {
			return err
		}
	}
	c.passed("up to " + migration.FormatVersion(steps[len(steps)-1].Version) + " again")
	return nil
}

func (c *checker) rollBack(ctx context.Context, steps []migration.Migration, position int) error {
	if err := c.apply(ctx, steps[position], operate.Down); err != nil {
		return err
	}
	return c.compare(ctx, position, "%s does not undo in Down what it does in Up: correct its Down section",
		filepath.Join(c.Engine.Project.Migrations.Dir, steps[position].File))
}

func (c *checker) again(ctx context.Context, steps []migration.Migration, position int) error {
	if err := c.apply(ctx, steps[position], operate.Up); err != nil {
		return err
	}
	return c.compare(ctx, position+1, "%s does something else when it is applied again after its Down: correct it",
		filepath.Join(c.Engine.Project.Migrations.Dir, steps[position].File))
}

func (c *checker) apply(ctx context.Context, step migration.Migration, way operate.Direction) error {
	current, err := c.ready(ctx)
	if err != nil {
		return err
	}
	return c.Apply(ctx, current, []migration.Migration{step}, way)
}

func (c *checker) ready(ctx context.Context) (operate.Stream, error) {
	current, err := c.Read(ctx)
	if err != nil {
		return operate.Stream{}, err
	}
	return current, c.Prepare(ctx, current)
}

// compare fails, with the difference, unless the schema is the one of the first applied migrations.
func (c *checker) compare(ctx context.Context, applied int, format string, file string) error {
	return c.hold(ctx, c.Session, c.schemas[applied], failure.MigrationFailed(format, file))
}

// hold shows the difference and returns the refusal unless a database has the schema that it has to have.
func (c *checker) hold(ctx context.Context, session *operate.Session, want schema.Schema, refusal error) error {
	now, err := readSchema(ctx, session)
	if err != nil {
		return err
	}
	if difference := schema.Diff(want, now); difference != "" {
		c.say("--- the schema as it has to be\n+++ the schema as it is\n%s", strings.TrimSuffix(difference, "\n"))
		return refusal
	}
	return nil
}

func (c *checker) passed(step string) {
	c.result.Passed = append(c.result.Passed, step)
	c.say("ok %s", step)
}

func readSchema(ctx context.Context, session *operate.Session) (schema.Schema, error) {
	project := session.Engine.Project
	found, err := schema.Read(ctx, session.DB, project.Migrations.Table, project.Seed.Table)
	if err != nil {
		return nil, session.Unreadable(ctx, "pg_catalog", err)
	}
	return found, nil
}

// seedTwice loads every seed and once more, as each `make migrate-seed` does.
func (c *checker) seedTwice(ctx context.Context) error {
	if empty, err := c.Engine.NothingToSeed(); empty || err != nil {
		return err
	}
	for range 2 {
		if err := c.Seed(ctx); err != nil {
			return err
		}
	}
	c.passed("seeds, twice")
	return nil
}
