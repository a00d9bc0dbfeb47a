package run

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgx/v5"
	goosedb "github.com/pressly/goose/v3/database"
)

// ownSettings undoes every SET of a file. What the session was begun with, and what the role and the database say, stays.
const ownSettings = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL"

// recorder writes the line in the version table with the session's own settings and rights, whatever the file has set,
// and hands them on to the next file. In the transaction of a migration that is undone with it when it fails.
type recorder struct {
	goosedb.StoreExtender
	// verify has the last word before a version is recorded; nil has none.
	verify func(ctx context.Context, db goosedb.DBTxConn) error
}

// Insert records a version that was applied.
func (r *recorder) Insert(ctx context.Context, db goosedb.DBTxConn, request goosedb.InsertRequest) error {
	if request.Version == 0 { // of goose's own, when the table is made: nothing has run yet
		return r.StoreExtender.Insert(ctx, db, request)
	}
	return r.record(ctx, db, func(db goosedb.DBTxConn) error { return r.StoreExtender.Insert(ctx, db, request) })
}

// Delete forgets a version that was rolled back.
func (r *recorder) Delete(ctx context.Context, db goosedb.DBTxConn, version int64) error {
	return r.record(ctx, db, func(db goosedb.DBTxConn) error { return r.StoreExtender.Delete(ctx, db, version) })
}

func (r *recorder) record(ctx context.Context, db goosedb.DBTxConn, write func(goosedb.DBTxConn) error) error {
	restoring := &restoring{DBTxConn: db}
	if r.verify != nil {
		if err := restoring.restore(ctx); err != nil {
			return err
		}
		if err := r.verify(ctx, db); err != nil {
			return err
		}
	}
	if err := write(restoring); err != nil {
		return err
	}
	return restoring.restore(ctx)
}

// restoring sends ownSettings along with the first statement: that costs no round trip of its own.
type restoring struct {
	goosedb.DBTxConn
	restored bool
}

// ExecContext runs a statement with the session's own settings.
func (r *restoring) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if r.restored {
		return r.DBTxConn.ExecContext(ctx, query, args...)
	}
	// Only the simple protocol takes several statements at once.
	result, err := r.DBTxConn.ExecContext(ctx, ownSettings+"; "+query, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err == nil || !notSent(err) {
		r.restored = true
		return result, err
	}
	if err := r.restore(ctx); err != nil {
		return nil, err
	}
	return r.DBTxConn.ExecContext(ctx, query, args...)
}

// notSent recognises pgx's refusal to write values into a statement while the session has another encoding, or other
// rules for strings, than it knows how to write them in.
func notSent(err error) bool {
	return strings.HasPrefix(err.Error(), "simple protocol queries must be run with")
}

func (r *restoring) restore(ctx context.Context) error {
	if r.restored {
		return nil
	}
	r.restored = true
	_, err := r.DBTxConn.ExecContext(ctx, ownSettings, pgx.QueryExecModeSimpleProtocol)
	return err
}
