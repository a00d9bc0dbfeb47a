// Package sqlscan reads all that a query answers, as pgx.CollectRows does where the connection is pgx's own. It knows no table,
// and writes no sentence.
//
// May import: nothing of this module.
package sqlscan

import (
	"context"
	"database/sql"
)

// Querier is a session, or a transaction of one.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// All reads every row; fields are where the columns of one go to.
func All[T any](ctx context.Context, db Querier, fields func(*T) []any, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var next T
		if err := rows.Scan(fields(&next)...); err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, rows.Err()
}

// Column reads every row of a query that answers one column.
func Column[T any](ctx context.Context, db Querier, query string, args ...any) ([]T, error) {
	return All(ctx, db, func(value *T) []any { return []any{value} }, query, args...)
}
