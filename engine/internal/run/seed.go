package run

import (
	"context"
	"os"

	"avion.internal/migrate/internal/migration"
)

// Seed loads test data: a folder and a version table of its own, so that seeds and migrations never hide each other.
func (e *Engine) Seed(ctx context.Context) error {
	target, err := e.target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("seed"); err != nil {
		return err
	}
	if empty, err := e.nothingToSeed(); empty || err != nil {
		return err
	}
	session, err := e.openTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.seed(ctx)
}

// seed runs every file, every time: a version table that remembered them would leave an empty schema without data after
// the migrations were rolled back and applied again.
func (s *session) seed(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	if err := s.readMarker(ctx); err != nil {
		return err
	}
	if err := s.target.Environment.CheckDisposable("seed"); err != nil {
		return err
	}
	seeds, err := s.readSeeds(ctx)
	if err != nil {
		return err
	}
	if err := seeds.directory.Check(); err != nil {
		return err
	}
	for _, step := range seeds.directory.Migrations {
		if err := seeds.directory.CheckUp(step); err != nil {
			return err
		}
	}
	return s.run(ctx, seeds, seeds.directory.Migrations, up)
}

// nothingToSeed allows a service without seeds, unlike one without migrations.
func (e *Engine) nothingToSeed() (bool, error) {
	if _, err := os.Stat(e.project.Seed.Dir); os.IsNotExist(err) {
		e.report.Say("%s is not there: nothing to seed", e.project.Seed.Dir)
		return true, nil
	}
	directory, err := migration.ReadDirectory(e.project.Seed.Dir, e.project.Seed.Naming)
	if err != nil {
		return false, err
	}
	if len(directory.Migrations) == 0 && len(directory.Misnamed) == 0 {
		e.report.Say("%s holds no seed: nothing to seed", e.project.Seed.Dir)
		return true, nil
	}
	return false, nil
}
