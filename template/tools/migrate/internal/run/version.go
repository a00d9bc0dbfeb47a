package run

import (
	"context"
	"fmt"

	"migrate/internal/history"
	"migrate/internal/migration"
)

type versionDocument struct {
	Database    string `json:"database"`
	Environment string `json:"environment"`
	Version     int64  `json:"version"`
}

// Version prints the highest applied version, 00000 for an empty database.
func (e *Engine) Version(ctx context.Context, asJSON bool) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	known, err := history.Read(ctx, session.DB, e.project.Migrations.Table)
	if err != nil {
		return session.unreadable(ctx, e.project.Migrations.Table, err)
	}
	if asJSON {
		return e.printJSON(versionDocument{session.target.Database, string(session.target.Environment), known.Current()})
	}
	fmt.Fprintln(e.terminal.Out, migration.FormatVersion(known.Current()))
	return nil
}
