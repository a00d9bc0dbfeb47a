package run

import (
	"context"
	"os"

	"migrate/internal/failure"
	"migrate/internal/migration"
)

// Validate looks for mistakes in the files, without a database, unless it is asked to hold them against the history of
// one. Every mistake is told, and the gravest decides the exit code.
func (e *Engine) Validate(ctx context.Context, withDatabase bool) error {
	migrations, err := migration.ReadDirectory(e.project.Migrations.Dir)
	if err != nil {
		return err
	}
	if len(migrations.Migrations)+len(migrations.Misnamed) == 0 {
		return failure.Refused("%s holds no migration: create the first one with make migrate-create", migrations.Path)
	}
	directories := []migration.Directory{migrations}
	if _, err := os.Stat(e.project.Seed.Dir); err == nil {
		seeds, err := migration.ReadDirectory(e.project.Seed.Dir)
		if err != nil {
			return err
		}
		directories = append(directories, seeds)
	}
	files := 0
	var problems []error
	for _, directory := range directories {
		files += len(directory.Migrations)
		problems = append(problems, migration.Validate(directory)...)
	}
	if withDatabase {
		found, err := e.compareWithDatabase(ctx)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	if len(problems) == 0 {
		e.report.Say("%d files are valid", files)
		return nil
	}
	return e.tell(problems)
}

func (e *Engine) compareWithDatabase(ctx context.Context) ([]error, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	current, err := session.read(ctx)
	if err != nil {
		return nil, err
	}
	return current.comparison.Problems(), nil
}

// tell reports all problems but the gravest, which becomes the error.
func (e *Engine) tell(problems []error) error {
	gravest := migration.Gravest(problems)
	for _, problem := range problems {
		if problem != gravest {
			e.report.Failed(problem)
		}
	}
	return gravest
}
