package history

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/sqlstate"
)

// MarkerTable is the table beside a version table whose one row says which environment the database belongs to. It is a
// table because a dump takes it along: production restored elsewhere stays protected until somebody marks it anew. A
// comment on the database, or a setting of it, would be lost on the way.
func MarkerTable(table string) string { return table + "_environment" }

const createMarkerTable = ` (
	environment text NOT NULL,
	marked_at timestamptz NOT NULL DEFAULT now(),
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
)`

// ReadMarker returns the environment that the database says it belongs to, empty if it does not say.
func ReadMarker(ctx context.Context, session *sql.DB, table string) (string, error) {
	var marker string
	err := session.QueryRowContext(ctx, "SELECT environment FROM "+MarkerTable(table)).Scan(&marker)
	if errors.Is(err, sql.ErrNoRows) || sqlstate.Is(err, pgerrcode.UndefinedTable) {
		return "", nil
	}
	return marker, err
}

// Mark writes the environment into the database.
func Mark(ctx context.Context, session *sql.DB, table, environment string) error {
	return InTransaction(ctx, session, func(tx *sql.Tx) error {
		if err := create(ctx, tx, MarkerTable(table), createMarkerTable); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO "+MarkerTable(table)+" (environment) VALUES ($1)"+
			" ON CONFLICT (only_row) DO UPDATE SET environment = excluded.environment, marked_at = now()", environment)
		return err
	})
}
