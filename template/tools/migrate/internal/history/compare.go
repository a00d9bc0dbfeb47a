package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"migrate/internal/failure"
	"migrate/internal/migration"
)

// State is what a version is in: on disk, in the database, or in both.
type State string

// The states of a version.
const (
	Applied State = "applied"
	Pending State = "pending"
	// Late is a file with a lower number than one that is applied already.
	Late State = "out of order"
	// Missing is an applied version whose file is gone.
	Missing State = "missing"
	// Duplicate is a file whose version another file has too.
	Duplicate State = "duplicate"
)

// Entry is one version of a comparison.
type Entry struct {
	Version   int64
	File      string // empty if missing
	State     State
	AppliedAt time.Time // zero if not applied
}

// Comparison holds every version that is on disk or in the database, in ascending order.
type Comparison struct {
	Entries []Entry
	table   string
	folder  string
}

// Compare puts the files beside the history of their version table.
func Compare(directory migration.Directory, known History, table string) Comparison {
	comparison := Comparison{table: table, folder: directory.Path}
	current := known.Current()
	records := map[int64]Record{}
	for _, record := range known.Records {
		records[record.Version] = record
	}
	for position, m := range directory.Migrations {
		entry := Entry{Version: m.Version, File: m.File, State: Pending}
		if position > 0 && directory.Migrations[position-1].Version == m.Version {
			entry.State = Duplicate
		} else if record, applied := records[m.Version]; applied {
			entry.State, entry.AppliedAt = Applied, record.AppliedAt
			delete(records, m.Version)
		} else if m.Version < current {
			entry.State = Late
		}
		comparison.Entries = append(comparison.Entries, entry)
	}
	for _, record := range records {
		comparison.Entries = append(comparison.Entries,
			Entry{Version: record.Version, State: Missing, AppliedAt: record.AppliedAt})
	}
	slices.SortFunc(comparison.Entries, func(a, b Entry) int { return cmp.Compare(a.Version, b.Version) })
	return comparison
}

// In returns the entries in a state.
func (c Comparison) In(state State) []Entry {
	var found []Entry
	for _, entry := range c.Entries {
		if entry.State == state {
			found = append(found, entry)
		}
	}
	return found
}

// Check refuses a history that the files do not match.
func (c Comparison) Check() error {
	if missing := c.In(Missing); len(missing) > 0 {
		return failure.HistoryMismatch("applied according to %s, but without a file in %s: %s: "+
			"bring the file back from the release that applied it; never edit the version table",
			c.table, c.folder, Files(missing))
	}
	if late := c.In(Late); len(late) > 0 {
		return failure.HistoryMismatch("not applied, although a higher version is: %s: "+
			"rename to the next free number (%s or higher) and run again",
			Files(late), migration.FormatVersion(c.Entries[len(c.Entries)-1].Version+1))
	}
	return nil
}

// Files names entries by file, or by version where there is no file.
func Files(entries []Entry) string {
	var names []string
	for _, entry := range entries {
		if entry.File == "" {
			names = append(names, fmt.Sprintf("version %s", migration.FormatVersion(entry.Version)))
		} else {
			names = append(names, entry.File)
		}
	}
	return strings.Join(names, ", ")
}
