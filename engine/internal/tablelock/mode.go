// Package tablelock knows the locks that PostgreSQL takes on relations, and whom they keep waiting. It asks no server.
//
// May import: nothing of this module.
package tablelock

import (
	"cmp"
	"slices"
	"strings"
)

// Mode is a lock of a table, as pg_locks names it in words; a later one of the list is the stronger.
type Mode string

// The modes that make somebody wait. ACCESS SHARE, which every reader takes, waits for ACCESS EXCLUSIVE only.
const (
	RowShare             Mode = "ROW SHARE"
	RowExclusive         Mode = "ROW EXCLUSIVE"
	ShareUpdateExclusive Mode = "SHARE UPDATE EXCLUSIVE"
	Share                Mode = "SHARE"
	ShareRowExclusive    Mode = "SHARE ROW EXCLUSIVE"
	Exclusive            Mode = "EXCLUSIVE"
	AccessExclusive      Mode = "ACCESS EXCLUSIVE"
)

var byStrength = []Mode{RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive}

// The names in pg_locks.
var stored = map[string]Mode{
	"RowShareLock": RowShare, "RowExclusiveLock": RowExclusive, "ShareUpdateExclusiveLock": ShareUpdateExclusive, "ShareLock": Share,
	"ShareRowExclusiveLock": ShareRowExclusive, "ExclusiveLock": Exclusive, "AccessExclusiveLock": AccessExclusive,
}

// Stored is the mode that pg_locks names; an ACCESS SHARE lock is none.
func Stored(name string) (Mode, bool) {
	mode, known := stored[name]
	return mode, known
}

// strength is greater for a mode that keeps more waiting.
func (m Mode) strength() int { return slices.Index(byStrength, m) }

// StrongerThan compares by what the modes keep waiting.
func (m Mode) StrongerThan(other Mode) bool { return m.strength() > other.strength() }

// Blocks tells what has to wait while the lock is held, or asked for.
func (m Mode) Blocks() string {
	switch m {
	case AccessExclusive:
		return "reads and writes"
	case Exclusive:
		return "writes and SELECT FOR UPDATE"
	case Share, ShareRowExclusive:
		return "writes"
	case ShareUpdateExclusive:
		return "other changes of the schema, and VACUUM"
	case RowExclusive:
		return "changes of the schema, and writes to the same rows"
	default:
		return "changes of the schema"
	}
}

// Lock is a lock that somebody may have to wait for.
type Lock struct {
	// Relation is named as the session writes it, or as the statement does where nothing was measured.
	Relation string `json:"relation"`
	// OfIndex tells that the lock is on the table of the index that Relation names.
	OfIndex bool `json:"table_of_index,omitempty"`
	Mode    Mode `json:"mode"`
}

// String names the relation and the mode.
func (l Lock) String() string {
	if l.OfIndex {
		return "the table of " + l.Relation + " " + string(l.Mode)
	}
	return l.Relation + " " + string(l.Mode)
}

// StrongestFirst is the order in which people look at locks.
func StrongestFirst(a, b Lock) int {
	return cmp.Or(cmp.Compare(b.Mode.strength(), a.Mode.strength()), strings.Compare(a.Relation, b.Relation))
}
