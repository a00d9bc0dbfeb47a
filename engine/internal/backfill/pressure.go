package backfill

import (
	"context"
	"fmt"
	"time"

	"avion.internal/migrate/internal/connection"
)

// pressure is what the server shows of how busy it is.
type pressure struct {
	// lag of the slowest replica.
	lag time.Duration
	// wal is the place in the write-ahead log, in bytes.
	wal int64
	// vacuum tells that somebody vacuums the table.
	vacuum bool
	// unseenLag and unseenVacuum tell that there is something that this role may not see.
	unseenLag, unseenVacuum bool
	at                      time.Time
}

// The process of a vacuum is shown to every role, but not which table it is on.
const pressureQuery = `
SELECT coalesce(max(extract(epoch FROM replay_lag)), 0)::float8,
       coalesce(bool_or(replay_lag IS NULL AND pid IS NOT NULL AND state IS NULL), false),
       CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END::bigint,
       EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE datname = current_database() AND relid = to_regclass($1)),
       EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE datname = current_database() AND relid IS NULL)
FROM pg_stat_replication`

// look asks the session that watches, and opens another where that one is gone: the work does not depend on it.
func (r *Runner) look(ctx context.Context) (pressure, error) {
	for attempt := 1; ; attempt++ {
		if r.watcher == nil {
			opened, err := r.OpenWatcher(ctx)
			if err != nil {
				return pressure{}, err
			}
			r.watcher = opened
		}
		seen, err := r.ask(ctx)
		if err == nil || attempt == 2 || ctx.Err() != nil || !connection.Lost(err) {
			return seen, err
		}
		r.closeWatcher()
	}
}

func (r *Runner) ask(ctx context.Context) (pressure, error) {
	var seen pressure
	var lag float64
	err := r.watcher.QueryRowContext(ctx, pressureQuery, r.Job.Table).
		Scan(&lag, &seen.unseenLag, &seen.wal, &seen.vacuum, &seen.unseenVacuum)
	seen.lag = time.Duration(lag * float64(time.Second))
	seen.at = time.Now()
	return seen, err
}

func (r *Runner) closeWatcher() {
	if r.watcher != nil {
		r.watcher.Close()
		r.watcher = nil
	}
}

// Waiting for a vacuum ends: one that prevents wraparound may take days.
const (
	lookEvery        = time.Second
	longestForVacuum = 10 * time.Minute
)

// giveWay waits until the server has room, and says what for. It also ends when somebody asks for a pause, or when the
// run has used up its time.
func (r *Runner) giveWay(ctx context.Context) error {
	told := ""
	for {
		before := r.pressure
		now, err := r.look(ctx)
		if err != nil {
			return err
		}
		r.pressure = now
		r.tellUnseen(now)
		if !now.vacuum {
			r.vacuumSince = time.Time{}
		} else if r.vacuumSince.IsZero() {
			r.vacuumSince = now.at
		}
		reason, pause := r.Job.Pace.reason(before, now, now.at.Sub(r.vacuumSince))
		if reason == "" || r.progress.State == Paused || r.spent() {
			return nil
		}
		if reason != told {
			r.Say("%s waits: %s", r.Job.Name, reason)
			told = reason
		}
		if err := r.idle(ctx, pause); err != nil {
			return err
		}
	}
}

// idle waits, and ends where somebody asks for a pause meanwhile.
func (r *Runner) idle(ctx context.Context, pause time.Duration) error {
	for ; pause > 0 && r.progress.State != Paused; pause -= lookEvery {
		if err := sleep(ctx, min(pause, lookEvery)); err != nil {
			return err
		}
		if _, err := r.paused(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tellUnseen says once what keeps the job from giving way.
func (r *Runner) tellUnseen(now pressure) {
	if now.unseenLag && !r.toldLag {
		r.toldLag = true
		r.Say("the lag of the replicas cannot be seen: GRANT pg_read_all_stats TO the role lets the job wait for them")
	}
	if now.unseenVacuum && !r.toldVacuum {
		r.toldVacuum = true
		r.Say("a table is being vacuumed, and it cannot be seen which: GRANT pg_read_all_stats TO the role lets the job wait " +
			"where it is its own")
	}
}

// reason is why a job has to wait, and for how long before it looks again; empty if it may go on.
func (p Pace) reason(before, now pressure, waited time.Duration) (string, time.Duration) {
	if now.lag > p.ReplicaLag {
		return fmt.Sprintf("a replica is more than %s behind", p.ReplicaLag), lookEvery
	}
	if now.vacuum && waited < longestForVacuum {
		return "the table is being vacuumed", lookEvery
	}
	if written, took := now.wal-before.wal, now.at.Sub(before.at); !before.at.IsZero() && written > 0 {
		if due := time.Duration(float64(written) / float64(p.WAL) * float64(time.Second)); due > took {
			return fmt.Sprintf("the server writes more than %d MB of WAL per second", p.WAL>>20), min(due-took, 10*lookEvery)
		}
	}
	return "", 0
}

// waitersQuery counts the sessions that wait for this one. Only sessions that wait at all are looked at: asking for
// what blocks a session holds up the lock table. pg_stat_activity would hide the waits of other roles.
const waitersQuery = `
WITH waiting AS MATERIALIZED (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted)
SELECT count(*) FROM waiting WHERE $1 = ANY (pg_blocking_pids(pid))`

// watch looks once, in the middle of a batch, whether other sessions wait for it. What it returns waits for the answer.
func (r *Runner) watch(ctx context.Context) func() bool {
	watching, cancel := context.WithCancel(ctx)
	answer := make(chan bool, 1)
	go func() {
		var waiters int
		if sleep(watching, r.Job.Pace.Batch/2) == nil {
			// What cannot be found out is no reason to stop. The end of the batch does not cancel the query: pgx would
			// close the session.
			_ = r.watcher.QueryRowContext(ctx, waitersQuery, r.PID).Scan(&waiters)
		}
		answer <- waiters > 0
	}()
	return func() bool {
		cancel()
		return <-answer
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
