package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqlscan"
)

// builtIndex is what the database has under the name of an index that a file builds.
type builtIndex struct {
	name    string // schema and name, quoted
	valid   bool
	onTable bool // on the table that the file names
}

const indexQuery = `
SELECT format('%I.%I', n.nspname, c.relname), i.indisvalid, i.indrelid = to_regclass($2)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relname = $1::text::name AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($2))`

func findIndexes(ctx context.Context, db goosedb.DBTxConn, wanted []migration.Index) ([]builtIndex, error) {
	var all []builtIndex
	for _, index := range wanted {
		found, err := sqlscan.All(ctx, db, func(b *builtIndex) []any { return []any{&b.name, &b.valid, &b.onTable} }, indexQuery, index.Name, index.Table)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// dropInvalid removes what an attempt that failed has left of the indexes that a file builds, so that IF NOT EXISTS does
// not take it for the index, and CREATE does not fail on it.
func (s *Session) dropInvalid(ctx context.Context, wanted []migration.Index) error {
	found, err := findIndexes(ctx, s.DB, wanted)
	if err != nil {
		return err
	}
	for _, index := range found {
		if index.valid || !index.onTable {
			continue
		}
		s.Engine.Report.Say("the index %s is INVALID, left by an attempt that failed: it is dropped and built again", index.name)
		if _, err := s.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+index.name); err != nil {
			return err
		}
	}
	return nil
}

// assertValid refuses to record a file whose index cannot be used.
func assertValid(ctx context.Context, db goosedb.DBTxConn, wanted []migration.Index) error {
	found, err := findIndexes(ctx, db, wanted)
	if err != nil {
		return err
	}
	for _, index := range found {
		if !index.onTable {
			return fmt.Errorf("the index %s was there before, on another table, so IF NOT EXISTS built nothing: give the new one another name", index.name)
		}
		if !index.valid {
			return fmt.Errorf("the index %s is INVALID although every statement succeeded", index.name)
		}
	}
	return nil
}

// invalid names what a failure has left of the indexes that a file builds.
func (s *Session) invalid(ctx context.Context, wanted []migration.Index) string {
	if len(wanted) == 0 {
		return ""
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	found, err := findIndexes(after, s.DB, wanted)
	if err != nil {
		return ""
	}
	var names []string
	for _, index := range found {
		if !index.valid && index.onTable {
			names = append(names, index.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; the index %s is INVALID now, and the next run drops it and builds it again", strings.Join(names, ", "))
}
