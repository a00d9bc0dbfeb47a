package trace

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/tablelock"
)

// relation is a row of pg_class, with what belongs together.
type relation struct {
	OID      uint32
	Name     string // as the session writes it
	Bare     string // without its schema
	Kind     string
	Node     uint32 // of its file
	Owner    uint32 // the table of an index or a sequence, 0 for everything else
	Root     uint32 // of a partition
	Invalid  bool
	Columns  map[int16]string `db:"-"`
	Attnums  []int16
	Attnames []string
	// Handles tells that a trigger of the table lets go of locks when it meets an error.
	Handles bool
}

const relationsQuery = `
SELECT c.oid, c.oid::regclass::text, c.relname::text, c.relkind::text, c.relfilenode,
       coalesce(i.indrelid, (SELECT d.refobjid FROM pg_depend d WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
                             AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1), 0::oid),
       CASE WHEN c.relispartition AND c.relkind IN ('r', 'p', 'f') THEN coalesce(pg_partition_root(c.oid)::oid, 0) ELSE 0::oid END,
       coalesce(NOT i.indisvalid AND c.relkind = 'i', false),
       coalesce((SELECT array_agg(a.attnum ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'S')), '{}'),
       coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'S')), '{}'),
       c.relhastriggers AND EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND p.prosrc ~* '\mexception\s+when\M')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'i', 'I', 'S', 'c') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`

// Constraints, triggers and policies are not among these: no code names them.
const objectsQuery = `
SELECT 'function', p.oid, p.oid::regprocedure::text, p.prosrc ~* '\mexception\s+when\M', p.proname::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.oid, format_type(t.oid, NULL), false, t.typname
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'schema', oid, nspname, false, nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'`

const locksQuery = `
SELECT relation, mode, database = 0 FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
  AND database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`

const rowsQuery = `SELECT relid, n_tup_ins, n_tup_upd, n_tup_del, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables`

type object struct {
	Kind    string
	OID     uint32
	Name    string
	Handles bool
	Bare    string
}

type objectKey struct {
	kind string
	oid  uint32
}

// counts are the rows that a transaction has changed in a relation so far.
type counts struct {
	Relation                   uint32
	Inserted, Updated, Deleted int64
	Scans                      int64
}

type lockRow struct {
	Relation uint32
	Mode     string
	Shared   bool
}

// state is what the session sees at one moment of its transaction.
type state struct {
	relations map[uint32]relation
	objects   map[objectKey]object
	locks     map[uint32]tablelock.Mode
	// shared tells that a catalog is being changed that all databases share.
	shared bool
	rows   map[uint32]counts
}

// The catalogs of roles, databases, tablespaces, their settings, comments and rights.
var sharedCatalogs = []uint32{1260, 1261, 1262, 1213, 2964, 2396, 6243, 6000, 6100}

// stateQueries are what read asks, in this order. They are prepared: a trace asks them after each statement.
var stateQueries = []string{relationsQuery, objectsQuery, locksQuery, rowsQuery}

func stateName(position int) string { return fmt.Sprintf("trace_state_%d", position) }

func prepareRead(ctx context.Context, session *pgx.Conn) error {
	for position, query := range stateQueries {
		if _, err := session.Prepare(ctx, stateName(position), query); err != nil {
			return err
		}
	}
	return nil
}

// read asks the session that runs the migration: nobody else sees what it has not committed.
func read(ctx context.Context, session *pgx.Conn) (state, error) {
	batch := &pgx.Batch{}
	for name := range stateQueries {
		batch.Queue(stateName(name))
	}
	results := session.SendBatch(ctx, batch)
	defer results.Close()
	seen := state{map[uint32]relation{}, map[objectKey]object{}, map[uint32]tablelock.Mode{}, false, map[uint32]counts{}}
	err := collect(results, func(r relation) {
		r.Columns = make(map[int16]string, len(r.Attnums))
		for position, number := range r.Attnums {
			r.Columns[number] = r.Attnames[position]
		}
		seen.relations[r.OID] = r
	})
	if err == nil {
		err = collect(results, func(o object) { seen.objects[objectKey{o.Kind, o.OID}] = o })
	}
	if err == nil {
		err = collect(results, func(l lockRow) {
			mode, blocks := tablelock.Stored(l.Mode)
			switch {
			case !blocks:
			case l.Shared:
				seen.shared = seen.shared || slices.Contains(sharedCatalogs, l.Relation) && mode != tablelock.RowShare
			case mode.StrongerThan(seen.locks[l.Relation]):
				seen.locks[l.Relation] = mode
			}
		})
	}
	if err == nil {
		err = collect(results, func(c counts) { seen.rows[c.Relation] = c })
	}
	return seen, err
}

func collect[T any](results pgx.BatchResults, add func(T)) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	for _, each := range all {
		add(each)
	}
	return err
}

// table is the relation that the application knows.
func (s state) table(of uint32) Relation {
	found := s.relations[of]
	for found.Owner != 0 || found.Root != 0 && found.Root != found.OID {
		above, known := s.relations[max(found.Owner, 0)]
		if found.Owner == 0 {
			above, known = s.relations[found.Root]
		}
		if !known {
			break
		}
		found = above
	}
	return Relation{found.OID, found.Name}
}

var kinds = map[string]string{
	"r": "table", "p": "table", "m": "materialized view", "v": "view", "f": "foreign table", "i": "index", "I": "index", "S": "sequence", "c": "type",
}

// created are the objects that the second state has and the first has not.
func created(before, after state) []Object {
	var all []Object
	for oid, each := range after.relations {
		old, known := before.relations[oid]
		switch {
		case !known:
			all = append(all, Object{Kind: kinds[each.Kind], Name: each.Name})
		default:
			for number, name := range each.Columns {
				if _, there := old.Columns[number]; !there {
					all = append(all, Object{Kind: "column", Name: each.Name + "." + name})
				}
			}
		}
	}
	for key, each := range after.objects {
		if _, known := before.objects[key]; !known {
			all = append(all, Object{Kind: each.Kind, Name: each.Name})
		}
	}
	return sorted(all)
}

// dropped are the objects of the first state that were still there before the statement and that the last state does not
// have any more, or has under another name.
func dropped(first, before, after state) []Object {
	var all []Object
	for oid, each := range before.relations {
		if _, old := first.relations[oid]; !old {
			continue
		}
		now, there := after.relations[oid]
		kind := kinds[each.Kind]
		switch {
		case !there:
			all = append(all, Object{Kind: kind, Name: each.Name})
			continue
		case now.Bare != each.Bare, now.Name != each.Name && strings.Contains(now.Name, ".") != strings.Contains(each.Name, "."):
			all = append(all, Object{kind, each.Name, now.Name})
		}
		for number, name := range each.Columns {
			if _, old := first.relations[oid].Columns[number]; !old {
				continue
			}
			if changed, there := now.Columns[number]; !there || changed != name {
				all = append(all, Object{"column", each.Name + "." + name, changed})
			}
		}
	}
	for key, each := range before.objects {
		if _, old := first.objects[key]; !old {
			continue
		}
		if now, there := after.objects[key]; !there {
			all = append(all, Object{Kind: each.Kind, Name: each.Name})
		} else if now.Bare != each.Bare {
			all = append(all, Object{each.Kind, each.Name, now.Name})
		}
	}
	return sorted(all)
}

func sorted(all []Object) []Object {
	slices.SortFunc(all, func(a, b Object) int {
		return strings.Compare(a.Kind+" "+a.Name+" "+a.Renamed, b.Kind+" "+b.Name+" "+b.Renamed)
	})
	return all
}

// order are the OIDs of a map in the order of the relations' names: a result never depends on the order of a map or on
// which OIDs the server gave out.
func order[T any](of map[uint32]T, in state) []uint32 {
	return slices.SortedFunc(maps.Keys(of), func(a, b uint32) int { return strings.Compare(in.relations[a].Name, in.relations[b].Name) })
}
