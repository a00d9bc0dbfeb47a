// Package sqlstate recognises an error of PostgreSQL by its SQLSTATE, whatever it is wrapped in. The codes have their names
// from pgerrcode. It says nothing about exit codes.
//
// May import: nothing of this module.
package sqlstate

import (
	"errors"
	"slices"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// TransactionTimeout is newer than pgerrcode.
const TransactionTimeout = "25P04"

// Of is the SQLSTATE of the server's error behind err; empty where the server said nothing.
func Of(err error) string {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return server.Code
	}
	return ""
}

// Is tells whether the server refused something with one of the codes.
func Is(err error, codes ...string) bool { return slices.Contains(codes, Of(err)) }

// Blocked tells that another session had a lock that was needed: after a pause it may be there.
func Blocked(err error) bool {
	return Is(err, pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected)
}
