package operate

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	goosedb "github.com/pressly/goose/v3/database"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/runlock"
)

// Session is the open connection to the target, and with it the lock once it is taken.
type Session struct {
	*sql.DB
	// Engine is what opened the session.
	Engine *Engine
	// Target is the database, under the rules that hold for it: those of its mark where that is the stricter environment.
	Target connection.Target
	// overruled tells that the database's mark made the target's environment stricter than the session was begun with.
	overruled bool
	// toldWeaker tells that the run has said that the mark protects less than the target's environment.
	toldWeaker bool
	// lease is the lock in a table, and its session; nil where the lock belongs to the run's own session.
	lease        *runlock.Lease
	leaseSession *sql.DB
	// watcher is the session that finds out what the run's session, whose id is pid, waits for.
	watcher *sql.DB
	pid     uint32
	// locked tells that the lock is taken: it lasts as long as the session.
	locked bool
	// Observe looks at the transaction of each file before it ends; nil does not look.
	Observe func(ctx context.Context, db goosedb.DBTxConn) error
}

// Close ends the sessions, and with them the lock.
func (s *Session) Close() error {
	if s.lease != nil {
		s.lease.Release(s.leaseSession)
		s.leaseSession.Close()
	}
	if s.watcher != nil {
		s.watcher.Close()
	}
	return s.DB.Close()
}

// Stream is a folder with its version table as both are now.
type Stream struct {
	config.Stream
	files history.Files
	// Directory holds the files.
	Directory migration.Directory
	// History is what the version table and those beside it say.
	History history.History
	// Comparison is each version's file beside its record.
	Comparison history.Comparison
	// repeats is true for seeds: every file runs every time.
	repeats bool
}

// Open opens a session with the target, which the caller closes.
func (e *Engine) Open(ctx context.Context) (*Session, error) {
	target, err := e.Target()
	if err != nil {
		return nil, err
	}
	return e.OpenTarget(ctx, target)
}

// openAndRead opens a session and reads the history, without the lock: others may go on meanwhile.
func (e *Engine) openAndRead(ctx context.Context) (*Session, Stream, error) {
	session, err := e.Open(ctx)
	if err != nil {
		return nil, Stream{}, err
	}
	current, err := session.Read(ctx)
	if err != nil {
		session.Close()
		return nil, Stream{}, err
	}
	return session, current, nil
}

// OpenTarget opens a session with another database than the settings name, which the caller closes.
func (e *Engine) OpenTarget(ctx context.Context, target connection.Target) (*Session, error) {
	pool, err := target.Open(ctx, e.Report.Say)
	if err != nil {
		return nil, err
	}
	pid, err := backend(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &Session{DB: pool, Engine: e, Target: target, pid: pid}, nil
}

// Lock keeps every other runner of the service away until the session ends. Seeds take the same lock as migrations:
// they need the schema to stand still.
func (s *Session) Lock(ctx context.Context) error {
	if s.locked {
		return nil
	}
	timeout, err := s.Engine.lockTimeout()
	if err != nil {
		return err
	}
	if s.Engine.Project.Lock == config.TableLock {
		err = s.lockTable(ctx, timeout)
	} else {
		err = s.advisory(timeout).Acquire(ctx, s.DB)
	}
	s.locked = err == nil
	return err
}

func (s *Session) advisory(timeout time.Duration) runlock.Advisory {
	return runlock.Advisory{Database: s.Target.Database, Table: s.Engine.Project.Migrations.Table, Timeout: timeout, Say: s.Engine.Report.Say}
}

// guard is a statement that fails where the session has lost its lock; empty where it never took one, or has it in a table.
func (s *Session) guard() string {
	if !s.locked || s.lease != nil {
		return ""
	}
	return s.advisory(0).Guard()
}

// confirm fails, in a transaction, where the lock is lost.
func (s *Session) confirm(ctx context.Context, transaction goosedb.DBTxConn) error {
	if s.lease != nil {
		return s.lease.Confirm(ctx, transaction)
	}
	if guard := s.guard(); guard != "" {
		_, err := transaction.ExecContext(ctx, guard)
		return err
	}
	return nil
}

func (s *Session) lockTable(ctx context.Context, timeout time.Duration) error {
	session, err := s.Target.Open(ctx, s.Engine.Report.Say)
	if err != nil {
		return err
	}
	lease := &runlock.Lease{
		Database: s.Target.Database,
		Table:    s.Engine.Project.Migrations.Table,
		Timeout:  timeout,
		Say:      s.Engine.Report.Say,
	}
	if err := lease.Acquire(ctx, session); err != nil {
		session.Close()
		return err
	}
	s.lease, s.leaseSession = lease, session
	return nil
}

// keepLock returns a context that ends when the lock is lost without the run's own session.
func (s *Session) keepLock(ctx context.Context) context.Context {
	if s.lease == nil {
		return ctx
	}
	return s.lease.Keep(ctx, s.leaseSession)
}

// Read puts the migrations beside their history, and follows the environment that the database is marked with.
func (s *Session) Read(ctx context.Context) (Stream, error) {
	which := s.Engine.Project.Migrations
	directory, err := which.ReadDirectory()
	if err != nil {
		return Stream{}, err
	}
	checksums, err := directory.Checksums()
	if err != nil {
		return Stream{}, err
	}
	return s.readHistory(ctx, history.Files{Directory: directory, Checksums: checksums})
}

// readHistory puts files that were read before beside the history as it is now: those that were checked are the ones that
// run, also where somebody changes the folder while the run waits for the lock.
func (s *Session) readHistory(ctx context.Context, files history.Files) (Stream, error) {
	which := s.Engine.Project.Migrations
	known, err := history.ReadAll(ctx, s.DB, which.Table)
	if err != nil {
		return Stream{}, s.Unreadable(ctx, which.Table, err)
	}
	if err := s.follow(known.Marker); err != nil {
		return Stream{}, err
	}
	if known.Begins() {
		known.Elsewhere, err = history.Elsewhere(ctx, s.DB, which.Table, s.Engine.Project.Seed.Table)
		if err != nil {
			return Stream{}, s.Unreadable(ctx, which.Table, err)
		}
	}
	rules := history.Rules{Table: which.Table, OutOfOrder: s.Engine.Project.OutOfOrder}
	current := Stream{
		Stream:     which,
		files:      files,
		Directory:  files.Directory,
		History:    known,
		Comparison: history.Compare(files, known, rules),
	}
	var adopted []int64
	for _, entry := range current.Comparison.Unrecorded() {
		adopted = append(adopted, entry.Version)
	}
	if len(adopted) > 0 {
		current.Comparison.Rivals = files.Rivals(".", adopted, s.Engine.Project.Seed.Dir)
	}
	current.measure(&s.Engine.measured)
	return current, nil
}

// readSeeds reads the folder and the version table of the seeds, which nothing holds to what they were.
func (s *Session) readSeeds(ctx context.Context) (Stream, error) {
	which := s.Engine.Project.Seed
	directory, err := which.ReadDirectory()
	if err != nil {
		return Stream{}, err
	}
	known, err := history.Read(ctx, s.DB, which.Table)
	if err != nil {
		return Stream{}, s.Unreadable(ctx, which.Table, err)
	}
	return Stream{Stream: which, Directory: directory, History: known, repeats: true}, nil
}

// Unreadable says why a table of the engine's, or of the catalog, could not be read or written.
func (s *Session) Unreadable(ctx context.Context, table string, err error) error {
	return failure.Because(err, s.unreadable(ctx, table, err))
}

func (s *Session) unreadable(ctx context.Context, table string, err error) error {
	var server *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return failure.Refused("interrupted: nothing was changed: run again")
	case connection.ReadOnly(err):
		return failure.Unreachable("%s only answers questions, so %s in %s cannot be written: name the primary in DB_HOST, and run again",
			s.Target.Address(), table, s.Target.Database)
	case connection.Lost(err):
		return failure.Unreachable("the connection to %s was lost before anything was changed: run again", s.Target.Address())
	case errors.As(err, &server) && server.Code == pgerrcode.InsufficientPrivilege: // no network heals it
		return failure.Refused("the version table %s in %s cannot be read or written (%s, SQLSTATE %s): "+
			"give role %q the right to do both, and run again", table, s.Target.Database, server.Message, server.Code, s.Target.User)
	case errors.As(err, &server):
		return failure.Unreachable("the version table %s in %s cannot be read or written (%s, SQLSTATE %s): correct what the server says, and run again",
			table, s.Target.Database, server.Message, server.Code)
	default:
		return failure.Unreachable("the connection to %s was lost before anything was changed: run again", s.Target.Address())
	}
}

// Check refuses a stream that a run could not follow.
func (s Stream) Check() error {
	if err := s.Directory.Check(); err != nil {
		return err
	}
	return s.Comparison.Check()
}
