package trace

import (
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/tablelock"
)

// tell writes down what the catalog says.
func (o *observer) tell(found *Statement, before state, line int, started time.Time) {
	after := o.last
	for _, oid := range order(after.locks, after) {
		mode := after.locks[oid]
		if _, old := o.first.relations[oid]; !old || !mode.StrongerThan(before.locks[oid]) {
			continue
		}
		o.lock(found, oid, mode, line, started)
	}
	// What a statement dropped has no name any more.
	for _, oid := range order(before.locks, before) {
		if after.locks[oid] == "" {
			o.letGo(oid, line)
		}
	}
	for _, oid := range order(after.relations, after) {
		now := after.relations[oid]
		old, known := before.relations[oid]
		if _, first := o.first.relations[oid]; first && known && now.Node != old.Node && (now.Kind == "r" || now.Kind == "m") {
			found.Rewritten = appendNew(found.Rewritten, Relation{oid, now.Name})
		}
		if now.Invalid && !old.Invalid {
			found.Invalid = append(found.Invalid, now.Name)
		}
	}
	for _, oid := range order(after.rows, after) {
		count, was := after.rows[oid], before.rows[oid]
		_, old := o.first.relations[oid]
		change := Rows{Relation{oid, after.relations[oid].Name}, old, count.Inserted - was.Inserted, count.Updated - was.Updated, count.Deleted - was.Deleted}
		if change.Inserted+change.Updated+change.Deleted > 0 {
			found.Rows = append(found.Rows, change)
		}
		if old && count.Scans > was.Scans {
			found.Scanned = append(found.Scanned, change.Relation)
		}
	}
	found.Created, found.Dropped = created(before, after), dropped(o.first, before, after)
}

// hold is a lock that lasts: where it is written down.
type hold struct {
	statement *Statement
	position  int
	since     time.Time
}

func (o *observer) lock(found *Statement, oid uint32, mode tablelock.Mode, line int, started time.Time) {
	o.letGo(oid, line) // a stronger one takes its place
	o.held[oid] = hold{found, len(found.Locks), started}
	found.Locks = append(found.Locks, Lock{Relation: Relation{oid, o.name(oid)}, Kind: o.first.relations[oid].Kind, Table: o.first.table(oid), Mode: mode, Since: line})
}

// letGo notes until when a lock was held.
func (o *observer) letGo(oid uint32, line int) {
	if held, known := o.held[oid]; known {
		lock := &held.statement.Locks[held.position]
		lock.Until, lock.Held = line, time.Since(held.since)
		delete(o.held, oid)
	}
}

// name is that of the relation before the statement, which is the one that others know.
func (o *observer) name(oid uint32) string { return o.first.relations[oid].Name }

// heard reads what the server reports at DEBUG1 about tables that it writes or reads from end to end. The words are in the
// language of the server's messages; what was written anew the catalog tells in any.
func (o *observer) heard(found *Statement, notices []*pgconn.Notice) {
	for _, notice := range notices {
		names := quotedIn(notice.Message)
		if len(names) == 0 {
			continue
		}
		switch {
		case notice.Routine == "ATRewriteTable" && !strings.HasPrefix(notice.Message, "rewriting"):
			for _, table := range o.named(names[0]) {
				if !slices.ContainsFunc(found.Rewritten, func(r Relation) bool { return r.OID == table.OID }) {
					found.Verified = appendNew(found.Verified, table)
				}
			}
		case notice.Routine == "index_build" && len(names) > 1:
			for _, table := range o.named(names[1]) {
				index := Index{Relation{Name: names[0]}, table}
				if !slices.Contains(found.Built, index) {
					found.Built = append(found.Built, index)
				}
			}
		case notice.Routine == "validateForeignKeyConstraint":
			found.Validated = append(found.Validated, names[0])
		}
	}
}

func appendNew(all []Relation, one Relation) []Relation {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// named are the relations with a name, of those that were there before and that the session has locked: the server says
// names without schemas.
func (o *observer) named(bare string) []Relation {
	var all []Relation
	for oid, each := range o.first.relations {
		if _, locked := o.last.locks[oid]; (each.Bare == bare || o.last.relations[oid].Bare == bare) && locked && each.Owner == 0 {
			all = append(all, Relation{oid, each.Name})
		}
	}
	slices.SortFunc(all, func(a, b Relation) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// quotedIn are the names in a message of the server, whatever quotes its language has.
func quotedIn(message string) []string {
	var names []string
	var name strings.Builder
	inside := false
	for _, r := range message {
		switch {
		case strings.ContainsRune("\"“”„«»「」", r):
			if inside {
				names = append(names, name.String())
				name.Reset()
			}
			inside = !inside
		case inside:
			name.WriteRune(r)
		}
	}
	return names
}

// unknown is why a statement may have locked more than was seen.
func (o *observer) unknown(unit Unit, found *Statement) string {
	const letGo = "an EXCEPTION block may have let go of locks"
	if unit.kind() == "DoStmt" && sqlparser.HandlesErrors(*unit.Parsed) {
		return letGo
	}
	text := strings.ToLower(unit.Text)
	for _, each := range o.last.objects {
		if each.Handles && unit.kind() != "CreateFunctionStmt" && strings.Contains(text, strings.ToLower(each.Bare)) {
			return letGo
		}
	}
	for _, rows := range found.Rows {
		if o.last.relations[rows.OID].Handles {
			return letGo
		}
	}
	return ""
}
