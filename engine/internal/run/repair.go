package run

import (
	"context"
	"strings"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
)

// Repair accepts the files of applied versions as they are now: it records their names and checksums anew, and says
// which. What a checksum cannot mend, such as a missing file, it leaves and reports. goose's table stays as it is.
// In a database with the history of something else, it accepts that this service's begins beside it.
func (e *Engine) Repair(ctx context.Context) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.lock(ctx); err != nil {
		return err
	}
	current, err := session.read(ctx)
	if err != nil {
		return err
	}
	if err := current.directory.Check(); err != nil {
		return err
	}
	if len(current.comparison.Elsewhere) > 0 {
		return session.beginBeside(ctx, current)
	}
	changed := current.comparison.In(history.Edited, history.Renamed)
	if len(changed) == 0 {
		e.report.Say("nothing to repair in %s: no applied migration was edited or renamed", session.target.Database)
		return current.comparison.Check()
	}
	if err := session.confirmRepair("rewrites what is recorded about applied migrations"); err != nil {
		return err
	}
	if err := history.Repair(ctx, session.DB, current.Table, changed); err != nil {
		return session.unreadable(ctx, history.ChecksumTable(current.Table), err)
	}
	for _, entry := range changed {
		e.report.Say("repaired version %s: %s %.12s is recorded as %s %.12s now", migration.FormatVersion(entry.Version),
			entry.RecordedFile, entry.RecordedChecksum, entry.File, entry.Checksum)
	}
	if current, err = session.read(ctx); err != nil {
		return err
	}
	return current.comparison.Check()
}

// beginBeside prepares the tables beside goose's, after which nobody asks for other histories any more.
func (s *session) beginBeside(ctx context.Context, current stream) error {
	others := strings.Join(current.comparison.Elsewhere, ", ")
	if err := s.confirmRepair("begins a history beside that in " + others); err != nil {
		return err
	}
	if err := history.Prepare(ctx, s.DB, current.Table, string(s.target.Environment)); err != nil {
		return s.unreadable(ctx, history.ChecksumTable(current.Table), err)
	}
	s.engine.report.Say("repaired %s: the history in %s begins beside that in %s", s.target.Database, current.Table, others)
	return nil
}

func (s *session) confirmRepair(consequence string) error {
	if !s.target.Environment.NeedsConsent() {
		return nil
	}
	return s.engine.confirm("repair", consequence+", and needs the name of the database", s.target)
}
