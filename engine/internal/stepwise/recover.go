package stepwise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/sqlscan"
)

// unusable are the indexes that a CONCURRENTLY has left invalid, and the partitions that one has left half detached. An index
// ON ONLY a partitioned table is invalid for good reason until its last partition has one.
const unusable = `
SELECT i.indexrelid AS id FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND c.relkind = 'i'
UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhdetachpending`

func (r *Runner) unusable(ctx context.Context) (array string, err error) {
	err = r.Session.QueryRowContext(ctx, "SELECT coalesce(array_agg(id), '{}')::oid[]::text FROM ("+unusable+") u").Scan(&array)
	return array, err
}

// leftover is what a statement has left that was ended in the middle.
type leftover struct {
	name, parent string // quoted; only a partition has a parent
	mine, busy   bool
}

// leftovers are those that were not there when the statement began. One is busy while another session works on its table:
// it may be that session's, and about to be finished.
const leftoversQuery = `
SELECT c.oid::regclass::text, coalesce(h.inhparent::regclass::text, ''), pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
               WHERE l.relation = coalesce(i.indrelid, h.inhparent) AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid())
FROM (` + unusable + `) u JOIN pg_class c ON c.oid = u.id
     LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND h.inhdetachpending
WHERE u.id <> ALL ($1::text::oid[]) ORDER BY 1`

func (r *Runner) leftovers(ctx context.Context, record history.Statement) ([]leftover, error) {
	all, err := sqlscan.All(ctx, r.Session, func(l *leftover) []any { return []any{&l.name, &l.parent, &l.mine, &l.busy} }, leftoversQuery, record.Unusable)
	return slices.DeleteFunc(all, func(l leftover) bool { return !l.mine }), err
}

const askAgain = 500 * time.Millisecond

// recover clears away what a statement left that was begun outside a transaction, and tells whether that has finished it. An
// index that is being dropped is left to the statement itself, which goes on with it.
func (r *Runner) recover(ctx context.Context, record history.Statement) (finished bool, err error) {
	if !strings.Contains(record.Reason, "CONCURRENTLY") || strings.Contains(record.Reason, "DROP INDEX") {
		return false, nil
	}
	ctx = r.Limit(ctx, true)
	left, err := r.idle(ctx, record)
	if err != nil {
		return false, err
	}
	for _, each := range left {
		statement := "DROP INDEX CONCURRENTLY IF EXISTS " + each.name
		if each.parent != "" {
			statement, finished = fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE", each.parent, each.name), true
			r.Say("%s was being detached from %s by a run that was ended: it is detached now", each.name, each.parent)
		} else {
			r.Say("the index %s is INVALID, left by an attempt that failed: it is dropped", each.name)
		}
		if _, err := r.Session.ExecContext(ctx, statement); err != nil {
			return false, err
		}
	}
	return finished, nil
}

// idle are the leftovers once nobody works on their tables any more.
func (r *Runner) idle(ctx context.Context, record history.Statement) ([]leftover, error) {
	for deadline := time.Now().Add(patience); ; {
		left, err := r.leftovers(ctx, record)
		if err != nil {
			return nil, err
		}
		busy := ""
		for _, each := range left {
			if each.busy {
				busy = each.name
			}
		}
		if busy == "" {
			return left, nil
		}
		if time.Now().After(deadline) {
			return nil, failure.MigrationFailed("%s is not valid, or half detached, and for %s another session has worked on its table: wait for that one to end, and run again", busy, patience)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// patience is how long a run waits for another session that works on what an earlier run left.
const patience = time.Minute
