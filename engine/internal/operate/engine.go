// Package operate does what the commands of operators say, on one database, in one session: it applies migrations, rolls them
// back, and tells how things stand. It drops no database and writes no file of the service.
//
// May import: backfill, config, connection, failure, history, indexes, maintenance, metrics, migration, patience, report,
// runlock, sqlscan, sqlstate, stepwise, tablelock, terminal.
package operate

import (
	"encoding/json"
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/metrics"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/terminal"
)

// Engine is what every operation starts from: the service's files and settings, and the way to the person outside.
type Engine struct {
	Project  config.Project
	Settings config.Settings
	Terminal terminal.Terminal
	Report   report.Reporter
	// LockPatience overrules MIGRATION_LOCK_TIMEOUT where it is not zero.
	LockPatience time.Duration
	// measured is what Measured leaves behind.
	measured metrics.Run
}

// New reads .goose.yml and .env in the current folder.
func New(outside terminal.Terminal) (*Engine, error) {
	project, settings, err := config.Read(".")
	if err != nil {
		return nil, err
	}
	reporter, err := report.New(outside.Err, settings.Typed(config.LogFormat))
	if err != nil {
		return nil, err
	}
	return &Engine{Project: project, Settings: settings, Terminal: outside, Report: reporter}, nil
}

// Target resolves the database that the settings name, and refuses what its environment forbids.
func (e *Engine) Target() (connection.Target, error) {
	target, err := connection.Resolve(e.Settings, e.Project)
	if err == nil {
		e.Report = e.Report.About(target.Database, string(target.Environment))
	}
	return target, err
}

func (e *Engine) lockTimeout() (time.Duration, error) {
	if e.LockPatience > 0 {
		return e.LockPatience, nil
	}
	return e.Settings.Seconds(config.LockTimeout)
}

// retryTimeout is how long a migration goes on asking for locks that another session holds: by default as long as one
// statement may take.
func (e *Engine) retryTimeout() (time.Duration, error) {
	patience, err := e.Settings.Seconds(config.RetryTimeout)
	if err != nil || e.Settings.Named(config.RetryTimeout.Name).Present() {
		return patience, err
	}
	return e.Settings.Seconds(config.Timeout)
}

// PrintJSON writes a result for a machine.
func (e *Engine) PrintJSON(document any) error {
	encoder := json.NewEncoder(e.Terminal.Out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return failure.Refused("the result could not be written (%w): make room for it and run again", err)
	}
	return nil
}
