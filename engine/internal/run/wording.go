package run

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// count writes a number of migrations.
func count(number int) string {
	if number == 1 {
		return "1 migration"
	}
	return fmt.Sprintf("%d migrations", number)
}

// verb joins a number of migrations and the database.
func (d direction) verb() string {
	if d == down {
		return "rolled back in"
	}
	return "applied to"
}

// before tells what a failure leaves of the run before it.
func before(done int) string {
	if done == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s before it: done, and kept)", count(done))
}

// hint is the server's advice, where it has any.
func hint(server *pgconn.PgError) string {
	if server.Code == "55P03" {
		return ": another session holds the table"
	}
	if server.Code == "57014" {
		return ": a statement may take as long as MIGRATION_TIMEOUT says, or statement_timeout in the file's '-- migrate:' line"
	}
	if server.Hint != "" {
		return ": " + server.Hint
	}
	return ""
}
