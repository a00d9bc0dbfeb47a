package rules

import (
	"slices"

	"avion.internal/migrate/internal/tablelock"
)

// HeldLock is a lock as people are told of it; Until is the line of the statement with which it ends, 0 where that is not
// known.
type HeldLock struct {
	tablelock.Lock
	Until int
}

// Locks are those that a statement needs, of what was there before the file, and why there may be more. They are measured
// where the statement ran; elsewhere its text tells which to expect.
func (v Verdict) Locks(unit int) ([]HeldLock, string) {
	position := -1
	for index, each := range v.steps {
		if !each.embedded {
			position++
		}
		if position == unit {
			return v.locksOf(index)
		}
	}
	return nil, ""
}

func (v Verdict) locksOf(index int) ([]HeldLock, string) {
	each := v.steps[index]
	if each.measured == nil {
		return each.expectedLocks()
	}
	all := []HeldLock{}
	for _, lock := range each.measured.Locks {
		// Every write locks the indexes and sequences of its table a little, and a type has no rows.
		part := lock.Kind == "i" || lock.Kind == "I" || lock.Kind == "S"
		ofTable := each.held[storedName(lock.Table.Name)]
		if lock.Kind == "S" {
			ofTable = ""
		}
		if lock.Kind == "c" || part && (!lock.Mode.StrongerThan(tablelock.RowExclusive) || !lock.Mode.StrongerThan(ofTable)) {
			continue
		}
		all = append(all, HeldLock{tablelock.Lock{Relation: lock.Name, Mode: lock.Mode}, lock.Until})
	}
	// What an earlier statement holds, pg_locks does not show again.
	for _, lock := range each.expected.takings {
		before := each.heldBefore[lock.relation]
		known := slices.ContainsFunc(all, func(l HeldLock) bool { return storedName(l.Relation) == lock.relation })
		if before != "" && !known && !lock.ofIndex && !lock.mode.StrongerThan(before) {
			all = append(all, HeldLock{tablelock.Lock{Relation: string(lock.relation), Mode: lock.mode}, 0})
		}
	}
	slices.SortStableFunc(all, func(a, b HeldLock) int { return tablelock.StrongestFirst(a.Lock, b.Lock) })
	return all, each.measured.Unknown
}

func (s step) expectedLocks() ([]HeldLock, string) {
	all := []HeldLock{}
	for _, lock := range s.expected.takings {
		if s.fresh[lock.relation] {
			continue
		}
		all = append(all, HeldLock{tablelock.Lock{Relation: string(lock.relation), OfIndex: lock.ofIndex, Mode: lock.mode}, 0})
	}
	return all, s.expected.unknown
}
