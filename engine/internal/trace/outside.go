package trace

import (
	"context"
	"time"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/sqltext"
	"avion.internal/migrate/internal/tablelock"
)

// form is a kind of statement that PostgreSQL runs outside a transaction only, so that its locks are gone when it ends.
// The tests hold each against what another session sees in pg_locks while the statement waits. The lock on an index that is
// dropped CONCURRENTLY is not among them: when it is taken, nobody can use the index any more.
type form struct {
	// own is the mode on the relation that the statement names, or on all if it names none; index the one on the index, if it
	// names one or if there are any.
	own, index tablelock.Mode
	// relations are named in the statement, as it writes them; none means everything of the kind.
	relations []string
	// instead is the same without CONCURRENTLY: a transaction takes it, and shows what else is locked.
	instead string
	// builds tells that indexes are built.
	builds bool
	// rewrites tells that tables are written anew.
	rewrites bool
}

// outsideForm recognises the forms.
func outsideForm(unit Unit) (form, bool) {
	if unit.Parsed == nil {
		return form{}, false
	}
	node := unit.Parsed.Node
	switch unit.kind() {
	case "IndexStmt":
		if node.Is("concurrent") {
			return form{own: tablelock.ShareUpdateExclusive, relations: []string{written(node.Child("relation"))}, builds: true}, true
		}
	case "DropStmt":
		if node.Is("concurrent") {
			return form{own: tablelock.ShareUpdateExclusive, index: tablelock.ShareUpdateExclusive, relations: dropNames(node)}, true
		}
	case "ReindexStmt":
		return reindexForm(node)
	case "VacuumStmt":
		if node.Is("is_vacuumcmd") {
			vacuum := form{own: tablelock.ShareUpdateExclusive}
			if node.Option("options", "full") {
				vacuum = form{own: tablelock.AccessExclusive, rewrites: true}
			}
			for _, each := range node.List("rels") {
				vacuum.relations = append(vacuum.relations, written(each.Child("VacuumRelation").Child("relation")))
			}
			return vacuum, true
		}
	case "ClusterStmt":
		if node.Child("relation") == nil {
			return form{own: tablelock.AccessExclusive, rewrites: true}, true
		}
	case "AlterTableStmt":
		for _, each := range node.List("cmds") {
			command := each.Child("AlterTableCmd")
			part := command.Child("def").Child("PartitionCmd")
			if command.Text("subtype") == "AT_DetachPartition" && part.Is("concurrent") {
				table, partition := written(node.Child("relation")), written(part.Child("name"))
				return form{own: tablelock.ShareUpdateExclusive, relations: []string{table}, instead: "ALTER TABLE " + table + " DETACH PARTITION " + partition}, true
			}
		}
	}
	return form{}, false
}

func reindexForm(node sqlparser.Node) (form, bool) {
	concurrent := node.Option("params", "concurrently")
	found := form{own: tablelock.Share, index: tablelock.AccessExclusive, builds: true}
	if concurrent {
		found = form{own: tablelock.ShareUpdateExclusive, index: tablelock.ShareUpdateExclusive, builds: true}
	}
	if table := node.Child("relation"); table != nil {
		found.relations = []string{written(table)}
	}
	all := node.Text("kind") != "REINDEX_OBJECT_INDEX" && node.Text("kind") != "REINDEX_OBJECT_TABLE"
	return found, concurrent || all
}

// written is a relation as SQL writes it.
func written(table sqlparser.Node) string {
	if schema := table.Text("schemaname"); schema != "" {
		return sqltext.Name(schema, table.Text("relname"))
	}
	return sqltext.Name(table.Text("relname"))
}

func dropNames(node sqlparser.Node) []string {
	var names []string
	for _, each := range node.List("objects") {
		names = append(names, sqltext.Name(each.Child("List").Strings("items")...))
	}
	return names
}

// outside runs a statement that no transaction takes.
func (o *observer) outside(ctx context.Context, unit Unit, known form, found *Statement) {
	if known.instead != "" {
		_ = o.send(ctx, "BEGIN; SAVEPOINT "+savepoint)
		if o.send(ctx, known.instead) == nil && o.look(ctx) {
			o.tell(found, o.first, unit.Line, time.Now())
		}
		_ = o.send(ctx, "ROLLBACK")
		found.Created, found.Dropped = nil, nil
		for position := range found.Locks {
			found.Locks[position].Until = unit.Line
		}
		clear(o.held)
		o.last = o.first
	}
	o.fromTable(ctx, unit, known, found)
	if found.Unmeasured != "" {
		return
	}
	o.notices = nil
	if err := o.send(ctx, unit.Text); err != nil {
		found.Unmeasured = sentence(err)
		if o.gone != "" {
			found.Unmeasured = o.gone
		}
		found.Locks = nil
		return
	}
	if !o.look(ctx) {
		return
	}
	locksBefore := found.Locks
	o.tell(found, o.first, unit.Line, time.Now())
	found.Locks, found.Rows, found.Scanned = locksBefore, nil, nil
}

const resolveQuery = `SELECT to_regclass($1)::oid`

// fromTable are the locks of a form, of the relations that were there before.
func (o *observer) fromTable(ctx context.Context, unit Unit, known form, found *Statement) {
	tables := map[uint32]bool{}
	indexes := map[uint32]bool{}
	for _, name := range known.relations {
		var oid *uint32
		if err := o.QueryRow(ctx, resolveQuery, name).Scan(&oid); err != nil || oid == nil {
			continue // the server says so itself when it runs
		}
		named := o.first.relations[*oid]
		if named.Owner != 0 {
			indexes[*oid], tables[named.Owner] = true, true
			continue
		}
		tables[*oid] = true
		for other, each := range o.first.relations {
			if each.Root == *oid && (unit.kind() == "VacuumStmt" || unit.kind() == "ReindexStmt") {
				tables[other] = true
			}
		}
	}
	if len(known.relations) == 0 {
		for oid, each := range o.first.relations {
			if each.Kind == "r" || each.Kind == "m" {
				tables[oid] = true
			}
		}
	}
	if known.index != "" && len(indexes) == 0 {
		for oid, each := range o.first.relations {
			if (each.Kind == "i" || each.Kind == "I") && tables[each.Owner] {
				indexes[oid] = true
			}
		}
	}
	add := func(oid uint32, mode tablelock.Mode) {
		for position := range found.Locks {
			if found.Locks[position].OID == oid {
				found.Locks[position].Mode = mode
				return
			}
		}
		found.Locks = append(found.Locks, Lock{Relation: Relation{oid, o.name(oid)}, Kind: o.first.relations[oid].Kind, Table: o.first.table(oid), Mode: mode, Since: unit.Line, Until: unit.Line})
	}
	for _, oid := range order(tables, o.first) {
		add(oid, known.own)
		if known.rewrites && o.first.relations[oid].Kind != "p" {
			found.Rewritten = appendNew(found.Rewritten, Relation{oid, o.name(oid)})
		}
		if known.builds && unit.kind() == "ReindexStmt" {
			for _, index := range order(indexes, o.first) {
				if o.first.relations[index].Owner == oid {
					found.Built = append(found.Built, Index{Relation{index, o.name(index)}, Relation{oid, o.name(oid)}})
				}
			}
		}
	}
	for _, oid := range order(indexes, o.first) {
		if known.index != "" {
			add(oid, known.index)
		}
	}
}
