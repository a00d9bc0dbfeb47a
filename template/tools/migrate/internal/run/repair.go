package run

import (
	"context"

	"migrate/internal/history"
	"migrate/internal/migration"
)

// Repair accepts the files of applied versions as they are now: it records their names and checksums anew, and says
// which. What a checksum cannot mend, such as a missing file, it leaves and reports. goose's table stays as it is.
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
	changed := current.comparison.In(history.Edited, history.Renamed)
	if len(changed) == 0 {
		e.report.Say("nothing to repair in %s: no applied migration was edited or renamed", session.target.Database)
		return current.comparison.Check()
	}
	if session.target.Environment.NeedsConsent() {
		if err := e.confirm("repair", "rewrites what is recorded about applied migrations, and needs the name of the database",
			session.target); err != nil {
			return err
		}
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
