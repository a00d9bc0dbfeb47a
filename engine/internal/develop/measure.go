package develop

import (
	"context"
	"slices"
	"strings"
	"time"

	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/rules"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/tablelock"
	"avion.internal/migrate/internal/trace"
)

// relation is something that a statement can lock.
type relation struct {
	id    uint32
	name  string
	bare  string // without its schema
	kind  string // as in pg_class.relkind
	table uint32 // of an index, 0 for everything else
}

const relationsQuery = `
SELECT c.oid, c.oid::regclass::text, c.relname, c.relkind::text, coalesce(i.indrelid, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'i', 'I', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`

const takenQuery = `
SELECT relation, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// measure applies a migration and reads, before it is committed, which locks it has taken of what was there before.
func (c *checker) measure(ctx context.Context, step migration.Migration) (checkedMigration, error) {
	script, err := c.directory.Script(step)
	if err != nil {
		return checkedMigration{}, err
	}
	checked := checkedMigration{
		Version: step.Version, File: step.File, New: c.result.base.misses(step.File), Transaction: !script.NoTransaction, Locks: []tablelock.Lock{},
	}
	there, err := c.relations(ctx)
	if err != nil {
		return checkedMigration{}, err
	}
	c.Observe = func(ctx context.Context, db goosedb.DBTxConn) (err error) {
		checked.Locks, err = taken(ctx, db, there)
		return err
	}
	defer func() { c.Observe = nil }()
	current, err := c.ready(ctx)
	if err != nil {
		return checkedMigration{}, err
	}
	started := time.Now()
	if err := c.Apply(ctx, current, []migration.Migration{step}, operate.Up); err != nil {
		return checkedMigration{}, err
	}
	checked.Milliseconds = time.Since(started).Milliseconds()
	if script.NoTransaction { // each statement has let go of its locks
		checked.Locks, err = expected(script.Up)
	}
	return checked, err
}

func (c *checker) relations(ctx context.Context) (map[uint32]relation, error) {
	all, err := sqlscan.All(ctx, c, func(r *relation) []any { return []any{&r.id, &r.name, &r.bare, &r.kind, &r.table} }, relationsQuery)
	if err != nil {
		return nil, c.Unreadable(ctx, "pg_class", err)
	}
	project := c.Engine.Project
	found := map[uint32]relation{}
	for _, each := range all {
		// The engine's own tables, indexes and sequences are nobody's.
		if !strings.HasPrefix(each.bare, project.Migrations.BareTable()) && !strings.HasPrefix(each.bare, project.Seed.BareTable()) {
			found[each.id] = each
		}
	}
	return found, nil
}

// taken are the strongest locks of the transaction that make somebody wait, the strongest first.
func taken(ctx context.Context, db goosedb.DBTxConn, there map[uint32]relation) ([]tablelock.Lock, error) {
	type held struct {
		relation uint32
		mode     string
	}
	locks, err := sqlscan.All(ctx, db, func(h *held) []any { return []any{&h.relation, &h.mode} }, takenQuery)
	if err != nil {
		return nil, err
	}
	strongest := map[uint32]tablelock.Mode{}
	for _, lock := range locks {
		mode, counts := tablelock.Stored(lock.mode)
		if _, existed := there[lock.relation]; existed && counts && mode.StrongerThan(strongest[lock.relation]) {
			strongest[lock.relation] = mode
		}
	}
	found := []tablelock.Lock{}
	for id, mode := range strongest {
		object := there[id]
		// Every write locks the indexes and sequences of its table a little.
		isPart := object.kind == "i" || object.kind == "I" || object.kind == "S"
		if !isPart || mode.StrongerThan(tablelock.RowExclusive) && mode.StrongerThan(strongest[object.table]) {
			found = append(found, tablelock.Lock{Relation: object.name, Mode: mode})
		}
	}
	slices.SortFunc(found, tablelock.StrongestFirst)
	return found, nil
}

// expected are the locks that the text of a file without a transaction lets expect, as far as they are known.
func expected(statements []migration.Statement) ([]tablelock.Lock, error) {
	units, err := trace.Units(statements)
	if err != nil {
		return nil, err
	}
	verdict := rules.Check(rules.File{NoTransaction: true, Units: units})
	found := []tablelock.Lock{}
	for unit := range units {
		held, _ := verdict.Locks(unit)
		for _, lock := range held {
			position := slices.IndexFunc(found, func(known tablelock.Lock) bool {
				return known.Relation == lock.Relation && known.OfIndex == lock.OfIndex
			})
			switch {
			case position < 0:
				found = append(found, lock.Lock)
			case lock.Mode.StrongerThan(found[position].Mode):
				found[position] = lock.Lock
			}
		}
	}
	slices.SortFunc(found, tablelock.StrongestFirst)
	return found, nil
}
