package develop

import (
	"context"
	"math"
	"os"
	"path/filepath"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/operate"
)

// baseBranch is the branch that the work is merged to, where the work left it.
type baseBranch struct {
	name              string // empty if there is none
	project           config.Project
	migrations, seeds map[string][]byte
}

func (b baseBranch) known() bool { return b.name != "" }

// misses tells that a file is new.
func (b baseBranch) misses(file string) bool {
	_, there := b.migrations[file]
	return b.known() && !there
}

func (e *Engine) readBase(ctx context.Context, name string) (baseBranch, error) {
	if name == "" {
		return baseBranch{}, nil
	}
	repository := git.Repository{}
	found, err := repository.Base(ctx, name)
	if err != nil {
		return baseBranch{}, err
	}
	read := baseBranch{name: name}
	if read.project, err = e.projectAt(ctx, repository, found.Fork); err != nil {
		return baseBranch{}, err
	}
	if read.migrations, err = repository.FilesAt(ctx, found.Fork, read.project.Migrations.Dir); err != nil {
		return baseBranch{}, err
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
	before, remove, err := withFilesOf(c.Engine, from)
	if err != nil {
		return err
	}
	defer remove()
	if err := upAndSeed(ctx, before, scratch, true); err != nil {
		return failure.About(from.name+" itself", err)
	}
	session, err := c.Engine.OpenTarget(ctx, scratch)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Up(ctx, math.MaxInt64); err != nil {
		return failure.About("on top of "+from.name, err)
	}
	refusal := failure.MigrationFailed("on top of %s the migrations make another schema than from nothing: correct the new ones", from.name)
	if err := c.hold(ctx, session, c.schemas[len(c.schemas)-1], refusal); err != nil {
		return err
	}
	c.passed("up on top of " + from.name)
	return nil
}

// upAndSeed applies every migration and, where that is asked for, loads every seed.
func upAndSeed(ctx context.Context, engine *operate.Engine, target connection.Target, seed bool) error {
	session, err := engine.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Up(ctx, math.MaxInt64); err != nil || !seed {
		return err
	}
	if empty, err := engine.NothingToSeed(); empty || err != nil {
		return err
	}
	return session.Seed(ctx)
}

// withFilesOf is the engine with the files of a branch, in a folder that has to be removed.
func withFilesOf(engine *operate.Engine, from baseBranch) (*operate.Engine, func(), error) {
	folder, err := os.MkdirTemp("", "migrate-base-")
	if err != nil {
		return nil, nil, failure.Refused("no temporary folder can be made (%w): make room for it, or set TMPDIR", err)
	}
	remove := func() { os.RemoveAll(folder) }
	other := *engine
	other.Project = from.project
	other.Project.Migrations.Dir = filepath.Join(folder, "migrations")
	other.Project.Seed.Dir = filepath.Join(folder, "seeds")
	for where, files := range map[string]map[string][]byte{other.Project.Migrations.Dir: from.migrations, other.Project.Seed.Dir: from.seeds} {
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
		return nil, nil, failure.Refused("the files of %s cannot be written to %s (%w): make room for them, or set TMPDIR", from.name, folder, err)
	}
	return &other, remove, nil
}
