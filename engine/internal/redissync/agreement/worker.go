package agreement

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/redissync/sortedset"
	"avion.internal/migrate/internal/redissync/watch"
)

const (
	// idle is how long to wait when no event waits. Polling, because a NOTIFY makes the commits of all writers of the
	// database wait for each other.
	idle = 100 * time.Millisecond
	// look is how often to look at the backlog, and for new outboxes.
	look = 10 * time.Second

	shortestPause = 200 * time.Millisecond
	longestPause  = 30 * time.Second
)

// Worker applies events until it is told to stop.
type Worker struct {
	Open  func(context.Context) (*sql.DB, error)
	Redis *sortedset.Server
	Say   func(format string, values ...any)
	State *watch.State

	failing bool
}

// Run works until the context ends, and then finishes the batch that it is at. Failures of either side are waited out.
func (w *Worker) Run(ctx context.Context, db *sql.DB) {
	pause := shortestPause
	for ctx.Err() == nil {
		var err error
		if db == nil {
			db, err = w.Open(ctx)
		}
		if err == nil {
			err = w.work(ctx, db, func() { pause = shortestPause })
			db.Close()
			db = nil
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		w.fail(err)
		// Somewhere in the second half, so that workers that failed together do not come back together.
		wait(ctx, pause/2+rand.N(pause/2))
		pause = min(2*pause, longestPause)
	}
}

// work applies events over one session until something fails.
func (w *Worker) work(ctx context.Context, db *sql.DB, succeeded func()) error {
	pair := Pair{DB: db, Redis: w.Redis, Say: w.Say, Alive: w.State.Alive, Rounded: &w.State.Rounded}
	var sets []outbox.Set
	var looked time.Time
	for ctx.Err() == nil {
		if time.Since(looked) > look {
			var err error
			if sets, err = w.look(ctx, pair); err != nil {
				return err
			}
			looked = time.Now()
		}
		more := false
		for _, set := range sets {
			applied, err := pair.Apply(ctx, set)
			if err != nil {
				return err
			}
			w.State.Change(set.Table, func(t *watch.Table) { t.Applied += int64(applied.Events) })
			more = more || applied.Full
		}
		succeeded()
		if w.failing {
			w.failing = false
			w.Say("events are applied again")
		}
		w.State.Alive()
		if !more {
			wait(ctx, idle)
		}
	}
	return nil
}

// look finds the outboxes and what waits in them.
func (w *Worker) look(ctx context.Context, pair Pair) ([]outbox.Set, error) {
	sets, err := outbox.Find(ctx, pair.DB)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		backlog, err := set.Backlog(ctx, pair.DB)
		if err != nil {
			return nil, err
		}
		whole, err := pair.Redis.Whole(ctx, set.Prefix)
		if err != nil {
			return nil, err
		}
		w.State.Change(set.Table, func(t *watch.Table) {
			t.Seen, t.Events, t.Oldest, t.Whole = true, backlog.Events, backlog.Oldest, whole
		})
	}
	return sets, nil
}

func (w *Worker) fail(err error) {
	side := "postgresql"
	if _, ok := errors.AsType[*sortedset.Error](err); ok {
		side = "redis"
	}
	w.State.Failed(side)
	w.State.Alive()
	w.Say("%s: trying again", err)
	w.failing = true
}

func wait(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
