package maintenance

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqlscan"
)

// parent is the partitioned table.
type parent struct {
	id           uint32
	schema, name string
	// quoted is its name in SQL, and tablespace the clause that puts a new table where it is.
	quoted, tablespace string
	// strategy, column and kind tell how it is partitioned; column is empty where that is not by one column.
	strategy, column, kind string
}

const parentQuery = `
SELECT c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),
       coalesce((SELECT format(' TABLESPACE %I', spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace), ''),
       coalesce(p.partstrat::text, ''),
       coalesce(CASE WHEN p.partnatts = 1 THEN quote_ident(a.attname) END, ''), coalesce(t.typname, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
LEFT JOIN pg_type t ON t.oid = a.atttypid
WHERE c.oid = to_regclass($1)`

func readParent(ctx context.Context, session *sql.DB, table string) (parent, error) {
	var found parent
	err := session.QueryRowContext(ctx, parentQuery, table).Scan(&found.id, &found.schema, &found.name, &found.quoted,
		&found.tablespace, &found.strategy, &found.column, &found.kind)
	if errors.Is(err, sql.ErrNoRows) {
		return parent{}, failure.Refused("there is no table %s: correct table= in the job's '-- maintenance:' line, "+
			"or apply the migration that creates it", table)
	}
	return found, err
}

func (p parent) check(job Job) error {
	if p.strategy == "r" && p.column == job.Column && slices.Contains([]string{"timestamptz", "timestamp", "date"}, p.kind) {
		return nil
	}
	return failure.Refused("%s is not partitioned BY RANGE (%s) with a time: correct the job's '-- maintenance:' line, "+
		"or partition the table so", job.Table, job.Column)
}

// bound writes an end of a partition.
func (p parent) bound(moment time.Time) string {
	switch p.kind {
	case "date":
		return moment.UTC().Format(time.DateOnly)
	case "timestamp":
		return moment.UTC().Format(time.DateTime)
	default:
		return moment.UTC().Format(time.DateTime + "Z07:00")
	}
}

// partition is one of a table's, or was.
type partition struct {
	id           uint32
	name, quoted string
	// lower and upper are its ends; nil is none.
	lower, upper *time.Time
	isDefault    bool
	// pending tells that it is detached by half, attached that it is one of the table's.
	pending, attached bool
}

const partitionsQuery = `
SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname), i.inhdetachpending, b.ends = 'DEFAULT',
       CASE WHEN b.lower NOT IN ('MINVALUE', '-infinity') THEN b.lower::timestamptz END,
       CASE WHEN b.upper NOT IN ('MAXVALUE', 'infinity') THEN b.upper::timestamptz END
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid)) e(ends),
LATERAL (SELECT e.ends, substring(e.ends FROM 'FROM \(''?([^'')]*)''?\) TO'), substring(e.ends FROM 'TO \(''?([^'')]*)''?\)$')) b(ends, lower, upper)
WHERE i.inhparent = $1 ORDER BY 7, c.relname`

// partitions are those of the table, the oldest first.
func (p parent) partitions(ctx context.Context, session *sql.DB) ([]partition, error) {
	return sqlscan.All(ctx, session, func(p *partition) []any {
		p.attached = true
		return []any{&p.id, &p.name, &p.quoted, &p.pending, &p.isDefault, &p.lower, &p.upper}
	}, partitionsQuery, p.id)
}

// covered tells whether partitions leave nothing out of a range.
func covered(all []partition, start, end time.Time) bool {
	for start.Before(end) {
		next := start
		for _, each := range all {
			if each.isDefault || each.pending || each.lower != nil && each.lower.After(start) {
				continue
			}
			if each.upper == nil {
				return true
			}
			if each.upper.After(next) {
				next = *each.upper
			}
		}
		if !next.After(start) {
			return false
		}
		start = next
	}
	return true
}

// holds is the table of the ranges that have to be kept.
type holds struct {
	table, column, kind string
}

const holdsQuery = `
SELECT count(*), coalesce(min(quote_ident(a.attname)), ''), coalesce(min(t.typname), '')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass($1) AND NOT a.attisdropped
  AND t.typname IN ('tstzrange', 'tsrange', 'daterange', 'tstzmultirange', 'tsmultirange', 'datemultirange')`

func readHolds(ctx context.Context, session *sql.DB, table string) (*holds, error) {
	found := holds{table: table}
	var columns int
	if err := session.QueryRowContext(ctx, holdsQuery, table).Scan(&columns, &found.column, &found.kind); err != nil {
		return nil, err
	}
	if columns != 1 {
		return nil, failure.Refused("holds=%s has %d columns with ranges of time, but has to have one: "+
			"name a table or view with one column of type tstzrange, tsrange or daterange", table, columns)
	}
	found.kind = strings.Replace(found.kind, "multirange", "range", 1)
	return &found, nil
}

// querier is a session, or a transaction of one.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// held tells whether something holds a time of a partition. A range that is not known holds everything.
func (k *Keeper) held(ctx context.Context, in querier, p partition) (held bool, err error) {
	if k.holds == nil {
		return false, nil
	}
	var text strings.Builder
	text.WriteString("[")
	if p.lower != nil {
		text.WriteString(p.lower.UTC().Format(time.DateTime + "Z07:00"))
	}
	text.WriteString(",")
	if p.upper != nil {
		text.WriteString(p.upper.UTC().Format(time.DateTime + "Z07:00"))
	}
	text.WriteString(")")
	err = in.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM "+k.holds.table+" WHERE "+k.holds.column+" IS NULL OR "+
		k.holds.column+" && $1::text::"+k.holds.kind+")", text.String()).Scan(&held)
	return held, err
}
