package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// State is what a version is in: on disk, in the database, or in both.
type State string

// The states of a version.
const (
	Applied State = "applied"
	Pending State = "pending"
	// Late is a file with a lower number than one that is applied already.
	Late State = "out of order"
	// Edited is an applied version whose file has another content now.
	Edited State = "edited"
	// Renamed is an applied version whose file has another name now.
	Renamed State = "renamed"
	// Moved is an applied version whose content now stands in a file of another version.
	Moved State = "moved"
	// Missing is an applied version whose file is gone.
	Missing State = "missing"
	// Newer is an applied version above the highest file: a newer release applied it.
	Newer State = "newer"
	// Duplicate is a file whose version another file has too.
	Duplicate State = "duplicate"
)

// Entry is one version of a comparison.
type Entry struct {
	Version   int64
	File      string // empty if there is none
	Checksum  string // of the file as it is now
	State     State
	AppliedAt time.Time // zero if not applied
	Order     int       // 1 for the version that was applied first, 0 if not applied
	// RecordedFile and RecordedChecksum are empty if the version is not applied, or another tool applied it.
	RecordedFile     string
	RecordedChecksum string
	MovedTo          string // the file that holds the content now
}

// Unrecorded tells whether another tool applied the version, so that nobody knows what its file looked like.
func (e Entry) Unrecorded() bool { return e.Order > 0 && e.RecordedChecksum == "" }

// Comparison holds every version that is on disk or in the database, in ascending order.
type Comparison struct {
	Entries []Entry
	// Elsewhere are other histories in the database, where this one is about to begin.
	Elsewhere []Other
	// Rivals are files outside the folder that have the number of a version which another tool applied.
	Rivals []string
	table  string
	folder string
}

// Files is a folder with the checksums of its files.
type Files struct {
	migration.Directory
	Checksums map[string]string
}

// Rules say what a service makes of its history.
type Rules struct {
	Table      string
	OutOfOrder bool // a late file is pending like any other
}

// Compare puts the files beside the history of their version table.
func Compare(files Files, known History, rules Rules) Comparison {
	comparison := Comparison{Elsewhere: known.Elsewhere, table: rules.Table, folder: files.Path}
	current := known.Current()
	applied := map[int64]Entry{}
	for position, record := range known.Records {
		applied[record.Version] = Entry{
			Version: record.Version, AppliedAt: record.AppliedAt, Order: position + 1,
			RecordedFile: record.File, RecordedChecksum: record.Checksum,
		}
	}
	gone := maps.Clone(applied)
	owners := files.owners(applied)
	for _, m := range files.Migrations {
		entry, found := applied[m.Version]
		entry.Version, entry.File, entry.Checksum = m.Version, m.File, files.Checksums[m.File]
		switch {
		case m.File != owners[m.Version]:
			entry = Entry{Version: m.Version, File: m.File, State: Duplicate}
		case found:
			entry.State = stateOfApplied(entry)
		case m.Version < current && !rules.OutOfOrder:
			entry.State = Late
		default:
			entry.State = Pending
		}
		delete(gone, m.Version)
		comparison.Entries = append(comparison.Entries, entry)
	}
	for _, entry := range gone {
		comparison.Entries = append(comparison.Entries, withoutFile(entry, files, applied))
	}
	slices.SortStableFunc(comparison.Entries, func(a, b Entry) int { return cmp.Compare(a.Version, b.Version) })
	return comparison
}

// owners are the files that the versions belong to: where several have one, the file that was applied.
func (f Files) owners(applied map[int64]Entry) map[int64]string {
	owners := map[int64]string{}
	for _, m := range f.Migrations {
		if owners[m.Version] == "" || m.File == applied[m.Version].RecordedFile {
			owners[m.Version] = m.File
		}
	}
	return owners
}

func stateOfApplied(entry Entry) State {
	switch {
	case entry.Unrecorded():
		return Applied
	case entry.Checksum != entry.RecordedChecksum:
		return Edited
	case entry.File != entry.RecordedFile:
		return Renamed
	default:
		return Applied
	}
}

func withoutFile(entry Entry, files Files, applied map[int64]Entry) Entry {
	entry.State = Missing
	if entry.Version > files.Last() {
		entry.State = Newer
	}
	for _, m := range files.Migrations {
		_, taken := applied[m.Version]
		if !taken && !entry.Unrecorded() && files.Checksums[m.File] == entry.RecordedChecksum {
			entry.State, entry.MovedTo = Moved, m.File
		}
	}
	return entry
}

// In returns the entries in any of the states.
func (c Comparison) In(states ...State) []Entry {
	return c.where(func(entry Entry) bool { return slices.Contains(states, entry.State) })
}

// PendingTo returns what is to be applied to reach a version.
func (c Comparison) PendingTo(highest int64) []Entry {
	return c.where(func(entry Entry) bool { return entry.State == Pending && entry.Version <= highest })
}

// Unrecorded returns the versions that another tool applied and whose files are there.
func (c Comparison) Unrecorded() []Entry {
	return c.where(func(entry Entry) bool { return entry.State == Applied && entry.Unrecorded() })
}

func (c Comparison) where(holds func(Entry) bool) []Entry {
	var found []Entry
	for _, entry := range c.Entries {
		if holds(entry) {
			found = append(found, entry)
		}
	}
	return found
}

// Accepting is the comparison with the file of one version taken as it is now.
func (c Comparison) Accepting(version int64) Comparison {
	c.Entries = slices.Clone(c.Entries)
	for position, entry := range c.Entries {
		if entry.Version == version && (entry.State == Edited || entry.State == Renamed) {
			c.Entries[position].State = Applied
		}
	}
	return c
}

// Problems are the reasons to refuse a history that the files do not match, the one to solve first at the beginning.
func (c Comparison) Problems() []error {
	var problems []error
	if len(c.Elsewhere) > 0 {
		problems = append(problems, c.sayElsewhere())
	}
	if len(c.Rivals) > 0 && len(c.Unrecorded()) > 0 {
		problems = append(problems, failure.HistoryMismatch("%s was applied by another tool, and nobody can tell from which file: %s has its number too: "+
			"name the folder that was applied as dir in .goose.yml, or take the other file away", Names(c.Unrecorded()[:1]), strings.Join(c.Rivals, ", ")))
	}
	for _, each := range []struct {
		state State
		say   func([]Entry) error
	}{
		{Newer, c.sayNewer}, {Moved, c.sayMoved}, {Missing, c.sayMissing},
		{Edited, c.sayEdited}, {Renamed, c.sayRenamed}, {Late, c.sayLate},
	} {
		if found := c.In(each.state); len(found) > 0 {
			problems = append(problems, each.say(found))
		}
	}
	return problems
}

// Check refuses a history that the files do not match.
func (c Comparison) Check() error {
	if problems := c.Problems(); len(problems) > 0 {
		return problems[0]
	}
	return nil
}

func (c Comparison) sayElsewhere() error {
	foreign := slices.DeleteFunc(slices.Clone(c.Elsewhere), Other.OfGoose)
	if len(foreign) > 0 {
		return failure.HistoryMismatch("%s would begin from nothing, although another tool migrated the database, according to %s: "+
			"name the last file here that has been done (make migrate-baseline VERSION=…); if it belongs to something else, run tools/migrate/bin/migrate repair",
			c.table, Others(foreign))
	}
	return failure.HistoryMismatch("%s would begin from nothing, although the database has a history in %s: "+
		"name that one as table in .goose.yml; if it belongs to something else, run tools/migrate/bin/migrate repair",
		c.table, Others(c.Elsewhere))
}

func (c Comparison) sayNewer(newer []Entry) error {
	highest := "the folder is empty"
	for _, entry := range c.Entries {
		if entry.File != "" {
			highest = "the highest file is " + entry.File
		}
	}
	return failure.HistoryMismatch("the database is newer than this release: applied according to %s: %s, while in %s %s: "+
		"run the release that applied it, or bring the file back; never edit the version table",
		c.table, Names(newer), c.folder, highest)
}

func (c Comparison) sayMoved(moved []Entry) error {
	return failure.HistoryMismatch("the content that was applied as %s now stands in %s under another number: "+
		"an applied migration keeps its number: rename it back", moved[0].RecordedFile, moved[0].MovedTo)
}

func (c Comparison) sayMissing(missing []Entry) error {
	return failure.HistoryMismatch("applied according to %s, but without a file in %s: %s: "+
		"bring the file back from the release that applied it; never edit the version table",
		c.table, c.folder, Names(missing))
}

func (c Comparison) sayEdited(edited []Entry) error {
	return failure.HistoryMismatch("edited after it was applied: %s: bring the applied content back and write the change "+
		"as a new migration (make migrate-create); if the file is right as it is, run tools/migrate/bin/migrate repair", Names(edited))
}

func (c Comparison) sayRenamed(renamed []Entry) error {
	return failure.HistoryMismatch("renamed after it was applied: %s: rename it back; "+
		"if the new name is right, run tools/migrate/bin/migrate repair", Names(renamed))
}

func (c Comparison) sayLate(late []Entry) error {
	return failure.HistoryMismatch("not applied, although a higher version is: %s: "+
		"rename to the next free number (%s or higher) and run again, or write out_of_order: allow into .goose.yml",
		Names(late), migration.FormatVersion(c.Entries[len(c.Entries)-1].Version+1))
}

// Names are the entries for people: by file, or by version where there is no file, with the name that was applied
// where it is another one.
func Names(entries []Entry) string {
	var names []string
	for _, entry := range entries {
		name := entry.File
		if name == "" {
			name = "version " + migration.FormatVersion(entry.Version)
		}
		if entry.RecordedFile != "" && entry.RecordedFile != entry.File {
			name += fmt.Sprintf(" (applied as %s)", entry.RecordedFile)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
