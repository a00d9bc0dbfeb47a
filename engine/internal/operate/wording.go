package operate

import (
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/report"
)

// verb joins a number of migrations and the database.
func (d Direction) verb() string {
	if d == Down {
		return "rolled back in"
	}
	return "applied to"
}

// before tells what a failure leaves of the run before it.
func before(done int) string {
	if done == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s before it: done, and kept)", report.Migrations(done))
}

// hint is the server's advice, where it has any.
func hint(server *pgconn.PgError) string {
	if server.Code == pgerrcode.LockNotAvailable {
		return ": another session holds the table"
	}
	if server.Code == pgerrcode.QueryCanceled {
		return ": a statement may take as long as MIGRATION_TIMEOUT says, or statement_timeout in the file's '-- migrate:' line"
	}
	if server.Hint != "" {
		return ": " + server.Hint
	}
	return ""
}
