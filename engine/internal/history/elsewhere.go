package history

import (
	"context"
	"database/sql"
)

// versionTables are those that look like goose's, but for the known ones; reading them must be allowed.
const versionTables = `
	SELECT c.oid::regclass::text
	FROM pg_class c
	WHERE c.relkind = 'r'
		AND c.oid <> ALL (SELECT to_regclass(known) FROM unnest($1::text[]) known WHERE to_regclass(known) IS NOT NULL)
		AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
		AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
			AND a.attname IN ('id', 'version_id', 'is_applied', 'tstamp')) = 4
	ORDER BY c.oid`

// Elsewhere returns the version tables beside the known ones that hold applied versions, as SQL names them. A service
// that is about to begin a history has them where its settings name the wrong table.
func Elsewhere(ctx context.Context, session *sql.DB, known ...string) ([]string, error) {
	rows, err := session.QueryContext(ctx, versionTables, known)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var found []string
	for _, table := range tables {
		other, err := Read(ctx, session, table)
		if err != nil {
			return nil, err
		}
		if len(other.Records) > 0 {
			found = append(found, table)
		}
	}
	return found, nil
}
