// Package run does what the commands say, on one database, in one session.
package run

import (
	"os"
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/metrics"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/terminal"
)

// Engine is what every operation starts from: the service's files and settings, and the way to the person outside.
type Engine struct {
	project  config.Project
	settings config.Settings
	terminal terminal.Terminal
	report   report.Reporter
	// lockPatience overrules MIGRATION_LOCK_TIMEOUT where it is not zero.
	lockPatience time.Duration
	// measured is what Measured leaves behind.
	measured metrics.Run
}

// New reads .goose.yml and .env in the current folder.
func New(outside terminal.Terminal) (*Engine, error) {
	project, err := config.ReadProject(".")
	if err != nil {
		return nil, err
	}
	dotenv, err := config.ReadDotEnv(".")
	if err != nil {
		return nil, err
	}
	settings := config.NewSettings(os.Environ(), dotenv)
	reporter, err := report.New(outside.Err, settings.Typed("LOG_FORMAT"))
	if err != nil {
		return nil, err
	}
	return &Engine{project: project, settings: settings, terminal: outside, report: reporter}, nil
}

func (e *Engine) target() (connection.Target, error) {
	target, err := connection.Resolve(e.settings, e.project)
	if err == nil {
		e.report = e.report.About(target.Database, string(target.Environment))
	}
	return target, err
}

func (e *Engine) lockTimeout() (time.Duration, error) {
	if e.lockPatience > 0 {
		return e.lockPatience, nil
	}
	return e.settings.Seconds("MIGRATION_LOCK_TIMEOUT", 60, 0, 3600)
}

// retryTimeout is how long a migration goes on asking for locks that another session holds: by default as long as one
// statement may take.
func (e *Engine) retryTimeout() (time.Duration, error) {
	statement, err := e.settings.Seconds("MIGRATION_TIMEOUT", 300, 1, 86400)
	if err != nil {
		return 0, err
	}
	return e.settings.Seconds("MIGRATION_RETRY_TIMEOUT", int(statement.Seconds()), 0, 86400)
}
