package rules

import (
	"cmp"
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
	for _, taking := range each.expected.takings {
		before := each.heldBefore[taking.relation]
		known := slices.ContainsFunc(all, func(l HeldLock) bool { return storedName(l.Relation) == taking.relation })
		if before != "" && !known && !taking.ofIndex && !taking.mode.StrongerThan(before) {
			all = append(all, HeldLock{tablelock.Lock{Relation: string(taking.relation), Mode: taking.mode}, 0})
		}
	}
	slices.SortStableFunc(all, strongestFirst)
	return all, each.measured.Unknown
}

func (s step) expectedLocks() ([]HeldLock, string) {
	all := []HeldLock{}
	for _, taking := range s.expected.takings {
		if s.fresh[taking.relation] {
			continue
		}
		all = append(all, HeldLock{tablelock.Lock{Relation: string(taking.relation), OfIndex: taking.ofIndex, Mode: taking.mode}, 0})
	}
	return all, s.expected.unknown
}

func strongestFirst(a, b HeldLock) int {
	switch {
	case a.Mode.StrongerThan(b.Mode):
		return -1
	case b.Mode.StrongerThan(a.Mode):
		return 1
	}
	return cmp.Compare(a.Relation, b.Relation)
}
