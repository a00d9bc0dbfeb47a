package operate

import (
	"context"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
)

// follow obeys the environment that the database is marked with where it is the stricter one.
func (s *Session) follow(marker string) error {
	stricter, err := s.Target.Follow(marker, s.Engine.Report.Say)
	if err != nil {
		return err
	}
	s.overruled = s.overruled || stricter
	s.tellWeaker(marker)
	return nil
}

// tellWeaker says once that the mark protects less than ENVIRONMENT does: whoever forgets ENVIRONMENT one day gets the
// rules of the mark.
func (s *Session) tellWeaker(marker string) {
	if s.toldWeaker || !s.Target.Environment.Outranks(marker) {
		return
	}
	s.toldWeaker = true
	s.Engine.Report.Say("database %s is marked as %s only, although ENVIRONMENT is %s, whose rules hold: if that is right, "+
		"mark it so that they always do: ENVIRONMENT=%s CONFIRM=%s tools/migrate/bin/migrate mark",
		s.Target.Database, marker, s.Target.Environment, s.Target.Environment, s.Target.Database)
}

// declare tells the server the stricter environment, which points of no return ask for. It does so before every file:
// RESET ALL in one would bring back the environment that the session was begun with.
func (s *Session) declare(ctx context.Context) error {
	if !s.overruled {
		return nil
	}
	_, err := s.ExecContext(ctx, "SELECT set_config('custom.environment', $1, false)", string(s.Target.Environment))
	if err != nil {
		return s.Unreadable(ctx, s.Engine.Project.Migrations.Table, err)
	}
	return nil
}

// ReadMarker is for operations that do not read the history.
func (s *Session) ReadMarker(ctx context.Context) error {
	table := s.Engine.Project.Migrations.Table
	marker, err := history.ReadMarker(ctx, s.DB, table)
	if err != nil {
		return s.Unreadable(ctx, history.MarkerTable(table), err)
	}
	return s.follow(marker)
}

// Mark writes ENVIRONMENT into the database, whatever it was marked with before: the way to turn a restored dump of
// production into a database of staging.
func (e *Engine) Mark(ctx context.Context) error {
	target, err := e.Target()
	if err != nil {
		return err
	}
	if target.Inferred {
		return failure.Refused("nobody has said which environment database %s is to be marked with: set ENVIRONMENT to development, test, staging or production", target.Database)
	}
	if err := e.confirm("mark", "changes which rules protect the database, and needs its name", target); err != nil {
		return err
	}
	session, err := e.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Lock(ctx); err != nil {
		return err
	}
	table := e.Project.Migrations.Table
	before, err := history.ReadMarker(ctx, session.DB, table)
	if err != nil {
		return session.Unreadable(ctx, history.MarkerTable(table), err)
	}
	if before == string(target.Environment) {
		e.Report.Say("database %s is marked as %s already: nothing was changed", target.Database, before)
		return nil
	}
	if err := history.Mark(ctx, session.DB, table, string(target.Environment)); err != nil {
		return failure.Refused("database %s could not be marked (%w): give role %q the right to create tables and run again",
			target.Database, err, target.User)
	}
	e.Report.Say("database %s is marked as %s now; it was %s", target.Database, target.Environment, orNothing(before))
	return nil
}

func orNothing(marker string) string {
	if marker == "" {
		return "not marked"
	}
	return "marked as " + marker
}
