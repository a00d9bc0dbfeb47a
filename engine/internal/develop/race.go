package develop

import (
	"bytes"
	"context"
	"math"
	"sync"
	"time"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/report"
)

// racer is one of several that start at once.
type racer struct {
	// waiting is closed when it waits for the lock.
	waiting chan struct{}
	ended   chan error
	tell    sync.Once
	// writing guards heard: whoever watches the locks of a run speaks from a goroutine of its own.
	writing sync.Mutex
	heard   bytes.Buffer
}

// Write hears what the runner says.
func (r *racer) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("waiting up to")) {
		r.tell.Do(func() { close(r.waiting) })
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.heard.Write(line)
}

// racePatience is longer than any run whose end the second runner waits for.
const racePatience = 24 * time.Hour

// race lets two runners loose on an empty database at the same moment, as two replicas of a service are: each migration
// must run once, and the runner that comes second must find nothing left to do.
func (c *checker) race(ctx context.Context, databases *scratches) error {
	scratch, err := databases.create(ctx)
	if err != nil {
		return err
	}
	// As long as this session holds the lock, neither gets ahead.
	gate, err := c.Engine.OpenTarget(ctx, scratch)
	if err != nil {
		return err
	}
	open := sync.OnceFunc(func() { gate.Close() })
	defer open()
	if err := gate.Lock(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	runners := [2]*racer{}
	for number := range runners {
		starting := &racer{waiting: make(chan struct{}), ended: make(chan error, 1)}
		runners[number] = starting
		go func() { starting.ended <- upPatiently(ctx, heardBy(c.Engine, starting), scratch) }()
	}
	for _, starting := range runners {
		select {
		case <-starting.waiting:
		case err := <-starting.ended:
			starting.ended <- err
		}
	}
	open()
	idle := 0
	var problems []error
	for _, running := range runners {
		if err := <-running.ended; err != nil {
			problems = append(problems, err)
		}
		if bytes.Contains(running.heard.Bytes(), []byte("nothing to apply to")) {
			idle++
		}
	}
	if len(problems) > 0 {
		return failure.About("two runners at once", problems[0])
	}
	return c.judge(ctx, scratch, idle)
}

func upPatiently(ctx context.Context, engine *operate.Engine, target connection.Target) error {
	patient := *engine
	patient.LockPatience = racePatience
	session, err := patient.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Up(ctx, math.MaxInt64)
}

// judge counts how often each migration ran.
func (c *checker) judge(ctx context.Context, scratch connection.Target, idle int) error {
	session, err := c.Engine.OpenTarget(ctx, scratch)
	if err != nil {
		return err
	}
	defer session.Close()
	table, migrations := c.Engine.Project.Migrations.Table, len(c.directory.Migrations)
	var rows, versions int
	if err := session.QueryRowContext(ctx, "SELECT count(*), count(DISTINCT version_id) FROM "+table+" WHERE version_id > 0").Scan(&rows, &versions); err != nil {
		return session.Unreadable(ctx, table, err)
	}
	if rows != migrations || versions != migrations || idle != 1 {
		return failure.MigrationFailed("two runners at once applied %d of %s, %d times, and %d of them found nothing to do: "+
			"look for a migration that lets go of the lock (pg_advisory_unlock_all, DISCARD ALL)", versions, report.Migrations(migrations), rows, idle)
	}
	if err := c.hold(ctx, session, c.schemas[len(c.schemas)-1], failure.MigrationFailed("two runners at once make another schema than one: "+
		"look for a migration that lets go of the lock (pg_advisory_unlock_all, DISCARD ALL)")); err != nil {
		return err
	}
	c.passed("two runners at once")
	return nil
}
