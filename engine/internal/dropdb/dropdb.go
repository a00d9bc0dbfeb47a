// Package dropdb drops a database together with the sessions in it. It decides nothing about which one that is.
//
// May import: sqlstate, sqltext.
package dropdb

import (
	"context"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// Execute runs one statement outside a transaction, as the owner of the database.
type Execute func(ctx context.Context, statement string) error

// endSessions leaves out a worker of autovacuum, which has no role, and the sessions of roles that this one does not have.
const endSessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pg_has_role(usesysid, 'USAGE') AND datname = "

// Force drops a database if it is there, and ends the sessions in it that are the role's own. The error is the server's.
//
// PostgreSQL takes an autovacuum worker for a stranger's session and refuses FORCE to an owner who is no superuser
// (SQLSTATE 42501, TerminateOtherDBBackends in procarray.c), but ends the worker itself where FORCE is not asked for.
func Force(ctx context.Context, execute Execute, name string) error {
	drop := "DROP DATABASE IF EXISTS " + sqltext.Name(name)
	if err := execute(ctx, drop+" WITH (FORCE)"); !sqlstate.Is(err, pgerrcode.InsufficientPrivilege) {
		return err
	}
	if err := execute(ctx, endSessions+sqltext.Literal(name)); err != nil {
		return err
	}
	return execute(ctx, drop)
}
