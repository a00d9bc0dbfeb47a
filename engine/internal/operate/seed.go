package operate

import (
	"context"
	"os"
)

// Seed loads test data: a folder and a version table of its own, so that seeds and migrations never hide each other.
func (e *Engine) Seed(ctx context.Context) error {
	target, err := e.Target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("seed"); err != nil {
		return err
	}
	if empty, err := e.NothingToSeed(); empty || err != nil {
		return err
	}
	session, err := e.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Seed(ctx)
}

// Seed runs every file, every time: a version table that remembered them would leave an empty schema without data after
// the migrations were rolled back and applied again.
func (s *Session) Seed(ctx context.Context) error {
	if err := s.Lock(ctx); err != nil {
		return err
	}
	if err := s.ReadMarker(ctx); err != nil {
		return err
	}
	if err := s.Target.Environment.CheckDisposable("seed"); err != nil {
		return err
	}
	seeds, err := s.readSeeds(ctx)
	if err != nil {
		return err
	}
	if err := seeds.Directory.Check(); err != nil {
		return err
	}
	for _, step := range seeds.Directory.Migrations {
		if err := seeds.Directory.CheckUp(step); err != nil {
			return err
		}
	}
	return s.run(ctx, seeds, seeds.Directory.Migrations, Up)
}

// NothingToSeed allows a service without seeds, unlike one without migrations.
func (e *Engine) NothingToSeed() (bool, error) {
	if _, err := os.Stat(e.Project.Seed.Dir); os.IsNotExist(err) {
		e.Report.Say("%s is not there: nothing to seed", e.Project.Seed.Dir)
		return true, nil
	}
	directory, err := e.Project.Seed.ReadDirectory()
	if err != nil {
		return false, err
	}
	if len(directory.Migrations) == 0 && len(directory.Misnamed) == 0 {
		e.Report.Say("%s holds no seed: nothing to seed", e.Project.Seed.Dir)
		return true, nil
	}
	return false, nil
}
