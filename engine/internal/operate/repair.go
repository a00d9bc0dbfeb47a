package operate

import (
	"context"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/stepwise"
)

// Repair accepts the files of applied versions as they are now: it records their names and checksums anew, and says
// which. What a checksum cannot mend, such as a missing file, it leaves and reports. goose's table stays as it is.
// In a database with the history of something else, it accepts that this service's begins beside it.
func (e *Engine) Repair(ctx context.Context) error {
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	current, err := session.lockAndRead(ctx)
	if err != nil {
		return err
	}
	if err := current.Directory.Check(); err != nil {
		return err
	}
	if len(current.Comparison.Elsewhere) > 0 {
		return session.beginBeside(ctx, current)
	}
	changed := current.Comparison.In(history.Edited, history.Renamed)
	forgotten, err := session.forget(ctx, current)
	if err != nil || forgotten {
		return err
	}
	if len(changed) == 0 {
		e.Report.Say("nothing to repair in %s: no applied migration was edited or renamed", session.Target.Database)
		return current.Comparison.Check()
	}
	if err := session.confirmRepair("rewrites what is recorded about applied migrations"); err != nil {
		return err
	}
	if err := history.Repair(ctx, session.DB, current.Table, changed); err != nil {
		return session.Unreadable(ctx, history.ChecksumTable(current.Table), err)
	}
	for _, entry := range changed {
		e.Report.Say("repaired version %s: %s %.12s is recorded as %s %.12s now", migration.FormatVersion(entry.Version),
			entry.RecordedFile, entry.RecordedChecksum, entry.File, entry.Checksum)
	}
	if current, err = session.Read(ctx); err != nil {
		return err
	}
	return current.Comparison.Check()
}

// forget lets a file without a transaction begin anew whose beginning has run and is another one now, or whose file is gone:
// somebody has undone by hand what had run of it.
func (s *Session) forget(ctx context.Context, current Stream) (forgotten bool, err error) {
	sections, err := history.HalfRun(ctx, s.DB, current.Table)
	if err != nil {
		return false, s.Unreadable(ctx, history.StatementTable(current.Table), err)
	}
	for _, section := range sections {
		known, err := history.ReadStatements(ctx, s.DB, current.Table, section)
		if err != nil {
			return forgotten, s.Unreadable(ctx, history.StatementTable(current.Table), err)
		}
		var script migration.Script
		if step, found := current.Directory.Find(section.Version); found {
			if script, err = current.Directory.Script(step); err != nil {
				return forgotten, err
			}
		}
		if _, edited := stepwise.Edited(script.Section(!section.RollsBack), known); !edited {
			continue
		}
		if err := s.confirmRepair("forgets how far version " + migration.FormatVersion(section.Version) + " had come"); err != nil {
			return forgotten, err
		}
		if err := history.ForgetStatements(ctx, s.DB, current.Table, section.Version); err != nil {
			return forgotten, s.Unreadable(ctx, history.StatementTable(current.Table), err)
		}
		s.Engine.Report.Say("repaired version %s: how far it had come is forgotten, and its file begins anew", migration.FormatVersion(section.Version))
		forgotten = true
	}
	return forgotten, nil
}

// beginBeside prepares the tables beside goose's, after which nobody asks for other histories any more.
func (s *Session) beginBeside(ctx context.Context, current Stream) error {
	others := history.Others(current.Comparison.Elsewhere)
	if err := s.confirmRepair("begins a history beside that in " + others); err != nil {
		return err
	}
	if err := history.Prepare(ctx, s.DB, current.Table, s.said()); err != nil {
		return s.Unreadable(ctx, history.ChecksumTable(current.Table), err)
	}
	s.Engine.Report.Say("repaired %s: the history in %s begins beside that in %s", s.Target.Database, current.Table, others)
	return nil
}

func (s *Session) confirmRepair(consequence string) error {
	return s.Engine.consent("repair", consequence+", and needs the name of the database", s.Target)
}
