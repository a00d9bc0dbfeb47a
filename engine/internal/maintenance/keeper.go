package maintenance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/patience"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// Keeper creates the partitions of a table ahead of time, and drops those that hold nothing but what is old enough.
type Keeper struct {
	Job Job
	// Session does the work. It is the keeper's alone from now on: its time zone changes.
	Session *sql.DB
	// Table remembers partitions from before they are detached until they are dropped.
	Table string
	Now   time.Time
	// Patience is how long it goes on asking for a lock that another session holds.
	Patience time.Duration
	Say      func(format string, values ...any)

	parent parent
	holds  *holds
}

// Kept is what a run has done.
type Kept struct {
	Job     string   `json:"job"`
	Created []string `json:"created"`
	Dropped []string `json:"dropped"`
	// Held are old enough, but have to be kept.
	Held []string `json:"held"`
}

// Keep creates and drops what the time asks for, and ends what an earlier run left half done.
func (k *Keeper) Keep(ctx context.Context) (Kept, error) {
	kept := Kept{Job: k.Job.Name, Created: []string{}, Dropped: []string{}, Held: []string{}}
	for _, step := range []func(context.Context, *Kept) error{k.look, k.create, k.finish, k.drop} {
		if err := step(ctx, &kept); err != nil {
			return kept, k.explain(ctx, err)
		}
	}
	return kept, nil
}

func (k *Keeper) look(ctx context.Context, _ *Kept) (err error) {
	// In which form the server writes the ends of partitions, and reads ours.
	if _, err := k.Session.ExecContext(ctx, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if k.parent, err = readParent(ctx, k.Session, k.Job.Table); err != nil {
		return err
	}
	if err := k.parent.check(k.Job); err != nil {
		return err
	}
	if k.Job.Holds == "" {
		return nil
	}
	k.holds, err = readHolds(ctx, k.Session, k.Job.Holds)
	return err
}

// create makes the partitions of the current period and of those after it.
func (k *Keeper) create(ctx context.Context, kept *Kept) error {
	all, err := k.parent.partitions(ctx, k.Session)
	if err != nil {
		return err
	}
	start := k.Job.Every.start(k.Now)
	for range k.Job.Ahead + 1 {
		end := k.Job.Every.next(start)
		if !covered(all, start, end) {
			name := k.parent.name + "_" + k.Job.Every.suffix(start)
			if err := k.patiently(ctx, name, func() error { return k.createOne(ctx, name, start, end) }); err != nil {
				return err
			}
			kept.Created = append(kept.Created, name)
			k.Say("created %s from %s to %s", name, start.Format(time.DateOnly), end.Format(time.DateOnly))
		}
		start = end
	}
	return nil
}

// createOne attaches a new table instead of creating a partition: that lets readers and writers of the others go on. Nobody
// gets rights on it besides those that lead through the partitioned table.
func (k *Keeper) createOne(ctx context.Context, name string, start, end time.Time) error {
	if len(name) > sqltext.LongestName {
		return failure.Refused("%s would be the name of a partition of %s, %d characters long, but a name has at most 63: rename the table",
			name, k.Job.Table, len(name))
	}
	table := sqltext.Name(k.parent.schema, name)
	return history.InTransaction(ctx, k.Session, func(tx *sql.Tx) error {
		for _, statement := range []string{
			"CREATE TABLE " + table + " (LIKE " + k.parent.quoted + " INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES)" + k.parent.tablespace,
			history.Withhold(table),
			fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
				k.parent.quoted, table, k.parent.bound(start), k.parent.bound(end)),
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// finish ends what an earlier run, or somebody by hand, began: a partition that is detached by half, and one that is
// detached and was to be dropped.
func (k *Keeper) finish(ctx context.Context, kept *Kept) error {
	all, err := k.parent.partitions(ctx, k.Session)
	if err != nil {
		return err
	}
	for _, p := range all {
		if !p.pending {
			continue
		}
		held, err := k.held(ctx, k.Session, p)
		if err != nil {
			return err
		}
		if due := k.due(p) && !held; due {
			err = k.remember(ctx, k.Session, p)
		}
		if err == nil {
			err = k.finalize(ctx, p)
		}
		if err != nil {
			return err
		}
		k.Say("ended the detaching of %s, which was left half done", p.name)
	}
	left, err := k.remembered(ctx)
	if err != nil {
		return err
	}
	for _, p := range left {
		if p.attached { // nothing happened to it after it was noted; who detaches it now wants to keep it
			err = k.forget(ctx, k.Session, p)
		} else {
			err = k.dropOne(ctx, p, kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// drop detaches and drops the partitions that are old enough, the oldest first.
func (k *Keeper) drop(ctx context.Context, kept *Kept) error {
	all, err := k.parent.partitions(ctx, k.Session)
	if err != nil {
		return err
	}
	hasDefault := slices.ContainsFunc(all, func(p partition) bool { return p.isDefault })
	for _, p := range all {
		if !k.due(p) {
			continue
		}
		held, err := k.held(ctx, k.Session, p)
		if err != nil {
			return err
		}
		if held {
			kept.Held = append(kept.Held, p.name)
			k.Say("%s is kept: %s holds a time of it", p.name, k.Job.Holds)
			continue
		}
		if hasDefault {
			err = k.patiently(ctx, p.name, func() error { return k.detachAtOnce(ctx, p) })
		} else {
			err = k.detach(ctx, p)
		}
		if err == nil {
			err = k.dropOne(ctx, p, kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// due tells whether everything in a partition is old enough. The default partition and one without an end never are.
func (k *Keeper) due(p partition) bool {
	return !p.isDefault && p.upper != nil && !p.upper.After(k.Job.Before(k.Now))
}

// detach lets readers and writers go on. What it begins, only FINALIZE can end.
func (k *Keeper) detach(ctx context.Context, p partition) error {
	if err := k.remember(ctx, k.Session, p); err != nil {
		return err
	}
	_, err := k.Session.ExecContext(ctx, "ALTER TABLE "+k.parent.quoted+" DETACH PARTITION "+p.quoted+" CONCURRENTLY")
	if sqlstate.Blocked(err) {
		return k.finalize(ctx, p)
	}
	return err
}

// finalize ends the detaching of a partition, also where it has not begun.
func (k *Keeper) finalize(ctx context.Context, p partition) error {
	return k.patiently(ctx, p.name, func() error {
		all, err := k.parent.partitions(ctx, k.Session)
		if err != nil {
			return err
		}
		place := slices.IndexFunc(all, func(other partition) bool { return other.id == p.id })
		if place < 0 {
			return nil
		}
		how := " CONCURRENTLY"
		if all[place].pending {
			how = " FINALIZE"
		}
		_, err = k.Session.ExecContext(ctx, "ALTER TABLE "+k.parent.quoted+" DETACH PARTITION "+p.quoted+how)
		return err
	})
}

// detachAtOnce is for a table with a default partition, which PostgreSQL does not detach from concurrently: it holds the
// whole table up, for a moment.
func (k *Keeper) detachAtOnce(ctx context.Context, p partition) error {
	if err := k.createMemory(ctx); err != nil {
		return err
	}
	return history.InTransaction(ctx, k.Session, func(tx *sql.Tx) error {
		if err := k.note(ctx, tx, p); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "ALTER TABLE "+k.parent.quoted+" DETACH PARTITION "+p.quoted)
		return err
	})
}

// dropOne drops a table that is detached, unless something holds it by now: no hold can come into being meanwhile.
func (k *Keeper) dropOne(ctx context.Context, p partition, kept *Kept) error {
	held := false
	err := k.patiently(ctx, p.name, func() error {
		return history.InTransaction(ctx, k.Session, func(tx *sql.Tx) (err error) {
			if k.holds != nil {
				if _, err := tx.ExecContext(ctx, "LOCK TABLE "+k.holds.table+" IN SHARE MODE"); err != nil {
					return err
				}
			}
			if held, err = k.held(ctx, tx, p); err != nil || held {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DROP TABLE "+p.quoted); err != nil {
				return err
			}
			return k.forget(ctx, tx, p)
		})
	})
	switch {
	case err != nil:
		return err
	case held:
		kept.Held = append(kept.Held, p.name)
		k.Say("%s is kept: %s holds a time of it; it is detached from %s already: ATTACH it to read it there",
			p.name, k.Job.Holds, k.Job.Table)
	default:
		kept.Dropped = append(kept.Dropped, p.name)
		k.Say("dropped %s, whose rows are older than %s", p.name, k.Job.Retention())
	}
	return nil
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
)

// patiently tries something again for as long as other sessions keep it from its locks: meanwhile those who queued behind
// it get through.
func (k *Keeper) patiently(ctx context.Context, name string, do func() error) error {
	var blocked error
	told := false
	backoff := patience.Backoff(k.Patience, shortestPause, longestPause, func(time.Duration) {
		if !told {
			told = true
			k.Say("%s waits for the locks of %s: %s", k.Job.Name, name, blocked)
		}
	})
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := do()
		if sqlstate.Blocked(err) && ctx.Err() == nil {
			blocked = err
			err = retry.RetryableError(err)
		}
		return err
	})
	if sqlstate.Blocked(err) && ctx.Err() == nil {
		return failure.Pending("%s stopped at %s: other sessions kept it from its locks for longer than %s (%w): "+
			"run it again to go on, or raise MIGRATION_RETRY_TIMEOUT", k.Job.Name, name, k.Patience, err)
	}
	return err
}

// explain says what happened to a run, and that what it did stays.
func (k *Keeper) explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*failure.Error](err); ok {
		return err
	}
	return failure.Because(err, k.ended(ctx, err))
}

func (k *Keeper) ended(ctx context.Context, err error) error {
	var server *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return failure.Pending("%s was interrupted; what it did is kept: run it again to go on", k.Job.Name)
	case connection.Lost(err):
		return failure.Unreachable("%s lost its connection; what it did is kept: run it again to go on", k.Job.Name)
	case errors.As(err, &server):
		return failure.MigrationFailed("%s failed: %s%s (SQLSTATE %s); what it did before is kept: correct the cause and run it again",
			k.Job.Name, server.Message, detail(server), server.Code)
	default:
		return failure.MigrationFailed("%s failed: %w; what it did before is kept: correct the cause and run it again", k.Job.Name, err)
	}
}

func detail(server *pgconn.PgError) string {
	if server.Code == pgerrcode.CheckViolation { // of the default partition
		return ": the default partition holds rows of that time, which have to be moved first"
	}
	return ""
}
