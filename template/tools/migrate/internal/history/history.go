// Package history is the version table: goose's own table, read in one query and compared with the files.
package history

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Record is one applied version.
type Record struct {
	Version   int64
	AppliedAt time.Time // as recorded: goose's column has no time zone
}

// History is what a version table says.
type History struct {
	// Exists is false until the first migration: asking never creates the table.
	Exists bool
	// Records are in the order in which the versions were applied.
	Records []Record
}

const undefinedTable = "42P01"

// Read asks the version table, in one query.
func Read(ctx context.Context, session *sql.DB, table string) (History, error) {
	rows, err := session.QueryContext(ctx, "SELECT version_id, is_applied, tstamp FROM "+table+" ORDER BY id")
	if err == nil {
		defer rows.Close()
		return scan(rows)
	}
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == undefinedTable {
		return History{}, nil
	}
	return History{}, err
}

// scan keeps the newest row of each version: old versions of goose recorded a rollback as a row of its own.
func scan(rows *sql.Rows) (History, error) {
	type row struct {
		Record
		applied bool
	}
	var all []row
	for rows.Next() {
		var next row
		if err := rows.Scan(&next.Version, &next.applied, &next.AppliedAt); err != nil {
			return History{}, err
		}
		all = append(all, next)
	}
	history := History{Exists: true}
	seen := map[int64]bool{0: true} // goose begins every table with version 0
	for _, row := range slices.Backward(all) {
		if !seen[row.Version] && row.applied {
			history.Records = append(history.Records, row.Record)
		}
		seen[row.Version] = true
	}
	slices.Reverse(history.Records)
	return history, rows.Err()
}

// Current is the highest applied version, 0 if there is none.
func (h History) Current() int64 {
	var current int64
	for _, record := range h.Records {
		current = max(current, record.Version)
	}
	return current
}
