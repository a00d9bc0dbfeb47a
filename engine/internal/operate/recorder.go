package operate

import (
	"context"
	"database/sql"

	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/connection"
)

// recorder writes the line in the version table with the session's own settings and rights, whatever the file has set,
// and hands them on to the next file. In the transaction of a migration that is undone with it when it fails.
type recorder struct {
	goosedb.StoreExtender
	// verify has the last word before a version is recorded; nil has none.
	verify func(ctx context.Context, db goosedb.DBTxConn) error
	// guard is a statement that fails where the lock is lost; empty without one.
	guard string
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
	if r.verify != nil {
		ctx := connection.Own(ctx)
		if _, err := db.ExecContext(ctx, connection.OwnSettings); err != nil {
			return err
		}
		if err := r.verify(ctx, db); err != nil {
			return err
		}
	}
	last := &lastStatement{DBTxConn: db, guard: r.guard}
	if err := write(last); err != nil || last.given {
		return err
	}
	_, err := last.ExecContext(ctx, "SELECT") // nothing was left to record
	return err
}

// lastStatement takes the one statement that records a version, which ends its transaction.
type lastStatement struct {
	goosedb.DBTxConn
	guard string
	given bool
}

// ExecContext runs the statement with the session's own settings.
func (l *lastStatement) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	l.given = true
	return l.DBTxConn.ExecContext(connection.Last(ctx, connection.OwnSettings, l.guard), query, args...)
}
