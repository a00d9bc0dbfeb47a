// Package history is the version table: goose's own table, with the table of checksums beside it, read in one query and
// compared with the files. It never runs a migration, and never drops a table.
//
// May import: failure, migration, sqlscan, sqlstate, sqltext.
package history

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
)

// Record is one applied version.
type Record struct {
	Version   int64
	AppliedAt time.Time // goose's column has no time zone: it is taken to be that of the session
	// File and Checksum are empty if another tool applied the version.
	File     string
	Checksum string
}

// History is what a version table says.
type History struct {
	// Exists is false until the first migration: asking never creates the table.
	Exists bool
	// Records are in the order in which the versions were applied.
	Records []Record
	// Prepared tells that the engine's own tables are there.
	Prepared bool
	// Marker is the environment that the database says it belongs to, empty if it does not say.
	Marker string
	// Elsewhere are other histories in the database, of goose and of other tools; only looked for before the first run.
	Elsewhere []Other
}

// Read asks a version table alone, in one query.
func Read(ctx context.Context, session *sql.DB, table string) (History, error) {
	return ask(ctx, session, tables{versions: table})
}

// ReadAll asks a version table and what the engine keeps beside it, in one query. Only before the engine's first
// run, when not all of it is there, it takes more.
func ReadAll(ctx context.Context, session *sql.DB, table string) (History, error) {
	all := tables{versions: table, checksums: ChecksumTable(table), marker: MarkerTable(table)}
	known, err := ask(ctx, session, all)
	if err != nil || known.Exists {
		return known, err
	}
	there, err := all.existing(ctx, session)
	if err != nil {
		return History{}, err
	}
	return ask(ctx, session, there)
}

// tables are the names of those that are to be asked; an empty one is left out.
type tables struct{ versions, checksums, marker string }

func (t tables) existing(ctx context.Context, session *sql.DB) (tables, error) {
	var found tables
	for _, each := range []struct {
		name string
		into *string
	}{{t.versions, &found.versions}, {t.checksums, &found.checksums}, {t.marker, &found.marker}} {
		there, err := exists(ctx, session, each.name)
		if err != nil {
			return tables{}, err
		}
		if there {
			*each.into = each.name
		}
	}
	return found, nil
}

func exists(ctx context.Context, session *sql.DB, table string) (there bool, err error) {
	err = session.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there)
	return there, err
}

// query reads goose's rows in the order in which they were written. A checksum belongs to the row that was written
// with it: if another tool has rolled the version back and applied it again since, it is of no more use.
func (t tables) query() string {
	checksum, join := "'', ''", ""
	if t.checksums != "" {
		checksum = "coalesce(c.file, ''), coalesce(c.checksum, '')"
		join = " LEFT JOIN " + t.checksums + " c ON c.version_id = g.version_id AND c.applied_order = g.id"
	}
	marker := "''"
	if t.marker != "" {
		marker = "coalesce((SELECT environment FROM " + t.marker + "), '')"
	}
	if t.versions == "" {
		return "SELECT 0::bigint, false, now(), '', '', " + marker
	}
	// The row of its own keeps the marker in the answer even where somebody has emptied goose's table.
	return "SELECT coalesce(g.version_id, 0), coalesce(g.is_applied, false), coalesce(g.tstamp::timestamptz, now()), " +
		checksum + ", " + marker + " FROM (SELECT 1) always LEFT JOIN " + t.versions + " g ON true" + join + " ORDER BY g.id"
}

func ask(ctx context.Context, session *sql.DB, from tables) (History, error) {
	type row struct {
		Record
		applied bool
	}
	known := History{Exists: from.versions != "", Prepared: from.checksums != "" && from.marker != ""}
	rows, err := sqlscan.All(ctx, session, func(r *row) []any {
		return []any{&r.Version, &r.applied, &r.AppliedAt, &r.File, &r.Checksum, &known.Marker}
	}, from.query())
	if sqlstate.Is(err, pgerrcode.UndefinedTable) {
		return History{}, nil
	}
	if err != nil {
		return History{}, err
	}
	// Old versions of goose recorded a rollback as a row of its own: the newest row of each version counts.
	seen := map[int64]bool{0: true} // goose begins every table with version 0
	for _, each := range slices.Backward(rows) {
		if !seen[each.Version] && each.applied {
			known.Records = append(known.Records, each.Record)
		}
		seen[each.Version] = true
	}
	slices.Reverse(known.Records)
	return known, nil
}

// Begins tells that nothing was ever applied according to this table.
func (h History) Begins() bool { return len(h.Records) == 0 && !h.Prepared }

// Current is the highest applied version, 0 if there is none.
func (h History) Current() int64 {
	var current int64
	for _, record := range h.Records {
		current = max(current, record.Version)
	}
	return current
}
