// Package outbox is the side of PostgreSQL: what the sorted sets have to hold, and which of it may have changed. It knows
// nothing of Redis.
//
// May import: failure, sqlscan, sqlstate, sqltext.
package outbox

import (
	"context"
	"database/sql"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqlscan"
)

// Set is a table whose rows are the members of sorted sets, one set for each value of its key column. A migration has put
// an outbox, a view and a function beside the table; by their names they are found.
type Set struct {
	// Table is the name for people; it goes without the schema public.
	Table string
	// Prefix is what the names of the sorted sets begin with.
	Prefix string

	outbox, view string // quoted
	sequence     string
	keyType      string
}

const findQuery = `
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || t.name,
       format('%I.%I', n.nspname, o.relname), format('%I.%I', n.nspname, v.relname),
       format('%I.%I()', n.nspname, t.name || '_redis_prefix'),
       pg_get_serial_sequence(format('%I.%I', n.nspname, o.relname), 'id'),
       format_type(k.atttypid, k.atttypmod)
FROM pg_class o
JOIN pg_namespace n ON n.oid = o.relnamespace
CROSS JOIN LATERAL (SELECT left(o.relname, -length('_redis_outbox')) AS name) t
JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = t.name || '_redis_set' AND v.relkind = 'v'
JOIN pg_attribute k ON k.attrelid = o.oid AND k.attname = 'key'
WHERE o.relkind = 'r' AND o.relname LIKE '%\_redis\_outbox'
ORDER BY 1`

// Find returns what the migrations of the database want to have in Redis.
func Find(ctx context.Context, db *sql.DB) ([]Set, error) {
	sets, err := sqlscan.All(ctx, db, func(s *Set) []any {
		return []any{&s.Table, &s.outbox, &s.view, &s.Prefix, &s.sequence, &s.keyType}
	}, findQuery)
	if err != nil {
		return nil, err
	}
	for i, set := range sets { // whose prefix is a function until here
		if err := db.QueryRowContext(ctx, "SELECT "+set.Prefix).Scan(&sets[i].Prefix); err != nil {
			return nil, err
		}
	}
	return sets, check(sets)
}

// check refuses prefixes of which one begins with the other: a rebuild removes what stands under its prefix and is not in
// its table.
func check(sets []Set) error {
	for i, one := range sets {
		for j, other := range sets {
			if i != j && strings.HasPrefix(other.Prefix, one.Prefix) {
				return failure.Refused("the sorted sets of %s are named %q and those of %s %q, and one beginning with the other "+
					"makes them each other's: give one of the tables another PREFIX in a new migration",
					one.Table, one.Prefix+"…", other.Table, other.Prefix+"…")
			}
		}
	}
	return nil
}

// Name is the name of a sorted set in Redis.
func (s Set) Name(key string) string { return s.Prefix + key }

// Choose returns the one that is meant; an empty name means the only one.
func Choose(sets []Set, table string) (Set, error) {
	var names []string
	for _, set := range sets {
		if set.Table == table || table == "" && len(sets) == 1 {
			return set, nil
		}
		names = append(names, set.Table)
	}
	known := strings.Join(names, ", ")
	switch {
	case len(sets) == 0:
		return Set{}, failure.Refused("no table has an outbox: write the migration with make migrate-create RECIPE=redis_sync, and apply it")
	case table == "":
		return Set{}, failure.Refused("several tables have an outbox (%s): name one with --table", known)
	default:
		return Set{}, failure.Refused("table %q has no outbox: name one that has (%s)", table, known)
	}
}
