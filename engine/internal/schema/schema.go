// Package schema reads what a database consists of, and tells how two states of it differ. It never changes one.
//
// May import: nothing of this module.
package schema

import (
	"context"
	"database/sql"
	_ "embed"
	"maps"
	"slices"
	"strings"
)

// Schema is every object of a database with its definition: the same text for the same schema, whatever the order in
// which it was made.
type Schema map[string]string

//go:embed objects.sql
var objects string

// Read asks the catalog. It needs no pg_dump, whose version would have to match the server's. The version tables
// are left out, and with them the engine's other tables, whose names begin with theirs.
func Read(ctx context.Context, session *sql.DB, versionTables ...string) (Schema, error) {
	transaction, err := session.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = transaction.Rollback() }() // it has only read
	var own string
	if err := transaction.QueryRowContext(ctx, "SELECT coalesce(string_agg(other.oid::text, ','), '') "+
		"FROM unnest(string_to_array($1, ',')) name JOIN pg_class version ON version.oid = to_regclass(name) "+
		"JOIN pg_class other ON other.relnamespace = version.relnamespace AND other.relkind = 'r' "+
		"AND (other.oid = version.oid OR starts_with(other.relname, version.relname || '_'))",
		strings.Join(versionTables, ",")).Scan(&own); err != nil {
		return nil, err
	}
	// With an empty search path the server writes every name with its schema.
	if _, err := transaction.ExecContext(ctx, "SET LOCAL search_path = ''"); err != nil {
		return nil, err
	}
	rows, err := transaction.QueryContext(ctx, objects, "{"+own+"}")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := Schema{}
	for rows.Next() {
		var name string
		var definition sql.NullString
		if err := rows.Scan(&name, &definition); err != nil {
			return nil, err
		}
		found[name] = definition.String
	}
	return found, rows.Err()
}

// Diff tells what turns one schema into the other, in the form of a unified diff; it is empty if they are equal.
func Diff(before, after Schema) string {
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, known := before[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		old, existed := before[name]
		now, exists := after[name]
		switch {
		case existed && exists && old == now:
		case existed && exists:
			text.WriteString(" " + name + "\n")
			gone, come := changed(lines(old), lines(now))
			write(&text, "-    ", gone)
			write(&text, "+    ", come)
		case existed:
			text.WriteString("-" + name + "\n")
			write(&text, "-    ", lines(old))
		default:
			text.WriteString("+" + name + "\n")
			write(&text, "+    ", lines(now))
		}
	}
	return text.String()
}

// changed leaves out the lines at the beginning and at the end that both have.
func changed(old, now []string) ([]string, []string) {
	for len(old) > 0 && len(now) > 0 && old[0] == now[0] {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1] == now[len(now)-1] {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	return old, now
}

func lines(definition string) []string {
	if definition == "" {
		return nil
	}
	return strings.Split(definition, "\n")
}

func write(text *strings.Builder, mark string, lines []string) {
	for _, line := range lines {
		text.WriteString(mark + line + "\n")
	}
}
