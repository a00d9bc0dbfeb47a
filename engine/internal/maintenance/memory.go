package maintenance

import (
	"context"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
)

// A partition that is detached is a table like any other: only what was noted before tells that it is to be dropped.
const memoryColumns = `
	relation oid PRIMARY KEY,
	name text NOT NULL,
	job text NOT NULL,
	lower timestamptz,
	upper timestamptz NOT NULL,
	noted_at timestamptz NOT NULL DEFAULT now()
`

func (k *Keeper) createMemory(ctx context.Context) error {
	return history.CreateTable(ctx, k.Session, k.Table, memoryColumns)
}

// remember notes that a partition is to be dropped once it is detached.
func (k *Keeper) remember(ctx context.Context, in querier, p partition) error {
	if err := k.createMemory(ctx); err != nil {
		return err
	}
	return k.note(ctx, in, p)
}

func (k *Keeper) note(ctx context.Context, in querier, p partition) error {
	_, err := in.ExecContext(ctx, "INSERT INTO "+k.Table+" (relation, name, job, lower, upper) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (relation) DO UPDATE SET name = excluded.name, job = excluded.job, lower = excluded.lower, "+
		"upper = excluded.upper, noted_at = now()", p.id, p.name, k.Job.Name, p.lower, p.upper)
	return err
}

func (k *Keeper) forget(ctx context.Context, in querier, p partition) error {
	_, err := in.ExecContext(ctx, "DELETE FROM "+k.Table+" WHERE relation = $1", p.id)
	return err
}

// remembered are the tables that this job noted and that are still there under their name. An id may belong to another
// table by now.
func (k *Keeper) remembered(ctx context.Context) ([]partition, error) {
	all, err := sqlscan.All(ctx, k.Session, func(p *partition) []any {
		return []any{&p.id, &p.name, &p.quoted, &p.lower, &p.upper, &p.attached}
	}, `
SELECT m.relation, m.name, format('%I.%I', n.nspname, c.relname), m.lower, m.upper, c.relispartition
FROM `+k.Table+` m JOIN pg_class c ON c.oid = m.relation AND c.relname = m.name JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE m.job = $1 ORDER BY m.upper`, k.Job.Name)
	if sqlstate.Is(err, pgerrcode.UndefinedTable) { // nothing was ever detached here
		return nil, nil
	}
	return all, err
}
