package run

import (
	"context"
	"math"
	"os"
	"path/filepath"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
)

// base is the branch that the work is merged to, where the work left it.
type base struct {
	name              string // empty if there is none
	project           config.Project
	migrations, seeds map[string][]byte
}

func (b base) known() bool { return b.name != "" }

// misses tells that a file is new.
func (b base) misses(file string) bool {
	_, there := b.migrations[file]
	return b.known() && !there
}

func (e *Engine) readBase(ctx context.Context, name string) (base, error) {
	if name == "" {
		return base{}, nil
	}
	repository := git.Repository{}
	found, err := repository.Base(ctx, name)
	if err != nil {
		return base{}, err
	}
	read := base{name: name}
	if read.project, err = e.projectAt(ctx, repository, found.Fork); err != nil {
		return base{}, err
	}
	if read.migrations, err = repository.FilesAt(ctx, found.Fork, read.project.Migrations.Dir); err != nil {
		return base{}, err
	}
	read.seeds, err = repository.FilesAt(ctx, found.Fork, read.project.Seed.Dir)
	return read, err
}

// onTopOfBase brings a database to where the base branch is, with its test data, and applies what is new: most
// databases will meet the work that way.
func (c *checker) onTopOfBase(ctx context.Context, databases *scratches) error {
	from := c.result.base
	if !from.known() {
		return nil
	}
	if len(from.migrations) == 0 {
		c.say("%s holds no migration: there is nothing to go on from", from.name)
		return nil
	}
	scratch, err := databases.create(ctx)
	if err != nil {
		return err
	}
	before, remove, err := c.engine.as(from)
	if err != nil {
		return err
	}
	defer remove()
	if err := before.upAndSeed(ctx, scratch); err != nil {
		return placed(from.name+" itself", err)
	}
	session, err := c.engine.openTarget(ctx, scratch)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.up(ctx, math.MaxInt64); err != nil {
		return placed("on top of "+from.name, err)
	}
	refusal := failure.MigrationFailed("on top of %s the migrations make another schema than from nothing: correct the new ones", from.name)
	if err := c.hold(ctx, session, c.schemas[len(c.schemas)-1], refusal); err != nil {
		return err
	}
	c.passed("up on top of " + from.name)
	return nil
}

// upAndSeed does what a developer on the base branch has done.
func (e *Engine) upAndSeed(ctx context.Context, target connection.Target) error {
	session, err := e.openTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.up(ctx, math.MaxInt64); err != nil {
		return err
	}
	if empty, err := e.nothingToSeed(); empty || err != nil {
		return err
	}
	return session.seed(ctx)
}

// as is the engine with the files of a branch, in a folder that has to be removed.
func (e *Engine) as(from base) (*Engine, func(), error) {
	folder, err := os.MkdirTemp("", "migrate-base-")
	if err != nil {
		return nil, nil, failure.Refused("no temporary folder can be made (%s): make room for it, or set TMPDIR", err)
	}
	remove := func() { os.RemoveAll(folder) }
	other := *e
	other.project = from.project
	other.project.Migrations.Dir = filepath.Join(folder, "migrations")
	other.project.Seed.Dir = filepath.Join(folder, "seeds")
	for where, files := range map[string]map[string][]byte{other.project.Migrations.Dir: from.migrations, other.project.Seed.Dir: from.seeds} {
		if err = os.Mkdir(where, 0o755); err != nil {
			break
		}
		for name, content := range files {
			if err = os.WriteFile(filepath.Join(where, name), content, 0o644); err != nil {
				break
			}
		}
	}
	if err != nil {
		remove()
		return nil, nil, failure.Refused("the files of %s cannot be written to %s (%s): make room for them, or set TMPDIR", from.name, folder, err)
	}
	return &other, remove, nil
}
