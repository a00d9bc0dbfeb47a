package operate

import (
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
)

// losesData is what a rollback does.
const losesData = "loses data and needs the name of the database"

// consent makes sure that somebody wants an operation with its consequence where the environment takes that for grave.
func (e *Engine) consent(operation, consequence string, target connection.Target) error {
	if !target.Environment.NeedsConsent() {
		return nil
	}
	return e.confirm(operation, consequence, target)
}

// confirm takes the name of the database for an answer, and leaves a line about it in the log. CONFIRM counts only for
// the run that it is typed for: one in .env would be a guard that is always open.
func (e *Engine) confirm(operation, consequence string, target connection.Target) error {
	confirmed := e.Settings.Typed(config.Confirm)
	if confirmed != target.Database {
		return failure.Refused("CONFIRM is %q: %s in %s %s: run again with CONFIRM=%s",
			confirmed, operation, target.Environment, consequence, target.Database)
	}
	e.Report.Say("consent: %s in %s, database %s on %s, user %s, CONFIRM=%s, %s", operation, target.Environment,
		target.Database, target.Address(), target.User, confirmed, time.Now().UTC().Format(time.RFC3339))
	return nil
}
