package run

import (
	"context"
	"fmt"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
)

type versionDocument struct {
	Database    string `json:"database"`
	Environment string `json:"environment"`
	Version     int64  `json:"version"`
	Pending     int    `json:"pending"`
}

// VersionOptions choose the form of the answer.
type VersionOptions struct {
	JSON     bool
	ExitCode bool // fail with exit code 2 while something is pending
}

// Version prints the highest applied version, 00000 for an empty database.
func (e *Engine) Version(ctx context.Context, options VersionOptions) error {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	document := versionDocument{
		Database: session.target.Database, Environment: string(session.target.Environment),
		Version: current.history.Current(), Pending: len(current.comparison.In(history.Pending)),
	}
	if options.JSON {
		err = e.printJSON(document)
	} else {
		_, err = fmt.Fprintln(e.terminal.Out, migration.FormatVersion(document.Version))
	}
	if err != nil || !options.ExitCode {
		return err
	}
	if err := current.check(); err != nil {
		return err
	}
	return pending(document.Pending, document.Database)
}
