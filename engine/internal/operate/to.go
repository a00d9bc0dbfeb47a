package operate

import (
	"context"
	"slices"
	"strconv"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// To brings the database to a version, upwards or downwards; 0 rolls everything back.
func (e *Engine) To(ctx context.Context, typed string) error {
	version, err := e.parseVersion(typed)
	if err != nil {
		return err
	}
	session, before, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := before.Check(); err != nil {
		return err
	}
	if version < before.History.Current() {
		if err := session.downTo(ctx, version); err != nil || len(before.Comparison.PendingTo(version)) == 0 {
			return err
		}
	}
	return session.Up(ctx, version)
}

// belowJudged is, as a version, the last one whose rollback nobody judges, as check_from in .goose.yml says.
const belowJudged = "check_from"

func (e *Engine) parseVersion(typed string) (int64, error) {
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return 0, err
	}
	if typed == belowJudged {
		return directory.LastUnjudged(), nil
	}
	if typed == "" {
		return 0, failure.Refused("no version is named: run make migrate-to VERSION=3")
	}
	version, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || version < 0 {
		return 0, failure.Refused("VERSION is %q: use the number of a migration, or 0 to roll everything back", typed)
	}
	if _, found := directory.Find(version); !found && version != 0 {
		return 0, failure.Refused("VERSION is %s, which no file in %s has: use the number of one of them, at most %s, or 0 to roll everything back",
			typed, directory.Path, migration.FormatVersion(directory.Last()))
	}
	return version, nil
}

func (s *Session) downTo(ctx context.Context, version int64) error {
	if err := s.Engine.consent("to "+migration.FormatVersion(version), losesData, s.Target); err != nil {
		return err
	}
	current, err := s.lockAndRead(ctx)
	if err != nil {
		return err
	}
	if err := current.Check(); err != nil {
		return err
	}
	var versions []int64
	for _, record := range slices.Backward(current.History.Records) {
		if record.Version > version {
			versions = append(versions, record.Version)
		}
	}
	steps, err := current.toRollBack(versions...)
	if err != nil {
		return err
	}
	return s.run(ctx, current, steps, Down)
}
