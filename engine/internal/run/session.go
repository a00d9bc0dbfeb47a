package run

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/lock"
	"avion.internal/migrate/internal/migration"
)

// session is the open connection to the target, and with it the lock once it is taken.
type session struct {
	*sql.DB
	engine *Engine
	target connection.Target
	// overruled tells that the database's mark made the target's environment stricter than the session was begun with.
	overruled bool
	// toldWeaker tells that the run has said that the mark protects less than the target's environment.
	toldWeaker bool
	// lease is the lock in a table, and its session; nil where the lock belongs to the run's own session.
	lease        *lock.Lease
	leaseSession *sql.DB
	// watcher is the session that finds out what the run's session, whose id is pid, waits for.
	watcher *sql.DB
	pid     uint32
	// locked tells that the lock is taken: it lasts as long as the session.
	locked bool
	// observe looks at the transaction of each file before it ends; nil does not look.
	observe func(ctx context.Context, db goosedb.DBTxConn) error
}

// Close ends the sessions, and with them the lock.
func (s *session) Close() error {
	if s.lease != nil {
		s.lease.Release(s.leaseSession)
		s.leaseSession.Close()
	}
	if s.watcher != nil {
		s.watcher.Close()
	}
	return s.DB.Close()
}

// stream is a folder with its version table as both are now.
type stream struct {
	config.Stream
	files      history.Files
	directory  migration.Directory
	history    history.History
	comparison history.Comparison
	// repeats is true for seeds: every file runs every time.
	repeats bool
}

func (e *Engine) open(ctx context.Context) (*session, error) {
	target, err := e.target()
	if err != nil {
		return nil, err
	}
	return e.openTarget(ctx, target)
}

// openAndRead opens a session and reads the history, without the lock: others may go on meanwhile.
func (e *Engine) openAndRead(ctx context.Context) (*session, stream, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, stream{}, err
	}
	current, err := session.read(ctx)
	if err != nil {
		session.Close()
		return nil, stream{}, err
	}
	return session, current, nil
}

func (e *Engine) openTarget(ctx context.Context, target connection.Target) (*session, error) {
	pool, err := target.Open(ctx, e.report.Say)
	if err != nil {
		return nil, err
	}
	pid, err := backend(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &session{DB: pool, engine: e, target: target, pid: pid}, nil
}

// lock keeps every other runner of the service away until the session ends. Seeds take the same lock as migrations:
// they need the schema to stand still.
func (s *session) lock(ctx context.Context) error {
	if s.locked {
		return nil
	}
	timeout, err := s.engine.lockTimeout()
	if err != nil {
		return err
	}
	if s.engine.project.Lock == config.TableLock {
		err = s.lockTable(ctx, timeout)
	} else {
		err = lock.Advisory{
			Database: s.target.Database,
			Table:    s.engine.project.Migrations.Table,
			Timeout:  timeout,
			Say:      s.engine.report.Say,
		}.Acquire(ctx, s.DB)
	}
	s.locked = err == nil
	return err
}

func (s *session) lockTable(ctx context.Context, timeout time.Duration) error {
	session, err := s.target.Open(ctx, s.engine.report.Say)
	if err != nil {
		return err
	}
	lease := &lock.Lease{
		Database: s.target.Database,
		Table:    s.engine.project.Migrations.Table,
		Timeout:  timeout,
		Say:      s.engine.report.Say,
	}
	if err := lease.Acquire(ctx, session); err != nil {
		session.Close()
		return err
	}
	s.lease, s.leaseSession = lease, session
	return nil
}

// keepLock returns a context that ends when the lock is lost without the run's own session.
func (s *session) keepLock(ctx context.Context) context.Context {
	if s.lease == nil {
		return ctx
	}
	return s.lease.Keep(ctx, s.leaseSession)
}

// read puts the migrations beside their history, and follows the environment that the database is marked with.
func (s *session) read(ctx context.Context) (stream, error) {
	which := s.engine.project.Migrations
	directory, err := migration.ReadDirectory(which.Dir, which.Naming)
	if err != nil {
		return stream{}, err
	}
	checksums, err := directory.Checksums()
	if err != nil {
		return stream{}, err
	}
	return s.readHistory(ctx, history.Files{Directory: directory, Checksums: checksums})
}

// readHistory puts files that were read before beside the history as it is now: those that were checked are the ones that
// run, also where somebody changes the folder while the run waits for the lock.
func (s *session) readHistory(ctx context.Context, files history.Files) (stream, error) {
	which := s.engine.project.Migrations
	known, err := history.ReadAll(ctx, s.DB, which.Table)
	if err != nil {
		return stream{}, s.unreadable(ctx, which.Table, err)
	}
	if err := s.follow(ctx, known.Marker); err != nil {
		return stream{}, err
	}
	if known.Begins() {
		known.Elsewhere, err = history.Elsewhere(ctx, s.DB, which.Table, s.engine.project.Seed.Table)
		if err != nil {
			return stream{}, s.unreadable(ctx, which.Table, err)
		}
	}
	rules := history.Rules{Table: which.Table, OutOfOrder: s.engine.project.OutOfOrder}
	current := stream{
		Stream:     which,
		files:      files,
		directory:  files.Directory,
		history:    known,
		comparison: history.Compare(files, known, rules),
	}
	current.measure(&s.engine.measured)
	return current, nil
}

// readSeeds reads the folder and the version table of the seeds, which nothing holds to what they were.
func (s *session) readSeeds(ctx context.Context) (stream, error) {
	which := s.engine.project.Seed
	directory, err := migration.ReadDirectory(which.Dir, which.Naming)
	if err != nil {
		return stream{}, err
	}
	known, err := history.Read(ctx, s.DB, which.Table)
	if err != nil {
		return stream{}, s.unreadable(ctx, which.Table, err)
	}
	return stream{Stream: which, directory: directory, history: known, repeats: true}, nil
}

func (s *session) unreadable(ctx context.Context, table string, err error) error {
	var server *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return failure.Refused("interrupted: nothing was changed: run again")
	case errors.As(err, &server):
		return failure.Unreachable("the version table %s in %s cannot be read (%s, SQLSTATE %s): "+
			"give role %q the right to read and write it", table, s.target.Database, server.Message, server.Code, s.target.User)
	default:
		return failure.Unreachable("the connection to %s was lost before anything was changed: run again", s.target.Address())
	}
}

// check refuses a stream that a run could not follow.
func (s stream) check() error {
	if err := s.directory.Check(); err != nil {
		return err
	}
	return s.comparison.Check()
}
