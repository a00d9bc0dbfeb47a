package operate

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
		Database: session.Target.Database, Environment: string(session.Target.Environment),
		Version: current.History.Current(), Pending: len(current.Comparison.In(history.Pending)),
	}
	if options.JSON {
		err = e.PrintJSON(document)
	} else {
		_, err = fmt.Fprintln(e.Terminal.Out, migration.FormatVersion(document.Version))
	}
	if err != nil || !options.ExitCode {
		return err
	}
	if err := current.Check(); err != nil {
		return err
	}
	return pending(document.Pending, document.Database)
}
