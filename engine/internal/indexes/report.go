// Package indexes finds the indexes of a database that are of no use: invalid ones, duplicates, and those that nobody reads.
// It never drops one.
//
// May import: sqlscan.
package indexes

import (
	"context"
	"database/sql"
	_ "embed"
	"time"

	"avion.internal/migrate/internal/sqlscan"
)

// The findings.
const (
	Invalid   = "invalid"
	Duplicate = "duplicate"
	Unused    = "unused"
)

// Report is what was found, and what it is worth.
type Report struct {
	Database    string `json:"database"`
	Environment string `json:"environment"`
	// Since is when the counting of scans began; empty where no reset is recorded.
	Since string `json:"statistics_since,omitempty"`
	// Replica tells that the server itself is one, and Replicas how many it feeds: each counts its own scans.
	Replica  bool    `json:"replica"`
	Replicas int     `json:"replicas"`
	Indexes  []Index `json:"indexes"`
}

// Index is one finding about an index.
type Index struct {
	// Finding is invalid, duplicate or unused.
	Finding string `json:"finding"`
	Name    string `json:"index"`
	Table   string `json:"table"`
	// Partitioned tells that the index consists of those of the partitions.
	Partitioned bool  `json:"partitioned,omitempty"`
	Bytes       int64 `json:"bytes"`
	// Instead is the index that does all that a duplicate does.
	Instead    string `json:"instead,omitempty"`
	Definition string `json:"definition"`
}

//go:embed report.sql
var reportQuery string

const serverQuery = `
SELECT (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), pg_is_in_recovery(),
	(SELECT count(*) FROM pg_stat_replication)`

// Read looks at the catalog; it changes nothing.
func Read(ctx context.Context, db *sql.DB) (Report, error) {
	report := Report{Indexes: []Index{}}
	var since sql.NullTime
	if err := db.QueryRowContext(ctx, serverQuery).Scan(&since, &report.Replica, &report.Replicas); err != nil {
		return report, err
	}
	if since.Valid {
		report.Since = since.Time.UTC().Format(time.RFC3339)
	}
	found, err := sqlscan.All(ctx, db, func(i *Index) []any {
		return []any{&i.Finding, &i.Name, &i.Table, &i.Partitioned, &i.Bytes, &i.Instead, &i.Definition}
	}, reportQuery)
	report.Indexes = append(report.Indexes, found...)
	return report, err
}
