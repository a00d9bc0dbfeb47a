package run

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
)

// Reset drops the database, creates it anew as it was, and applies every migration. Whatever can be refused is refused
// before anything is dropped.
func (e *Engine) Reset(ctx context.Context) error {
	target, err := e.target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("reset"); err != nil {
		return err
	}
	if err := e.checkFiles(); err != nil {
		return err
	}
	if err := e.confirmReset(ctx, target); err != nil {
		return err
	}
	if err := e.recreate(ctx, target); err != nil {
		return err
	}
	session, err := e.openTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.up(ctx, math.MaxInt64)
}

// checkFiles makes sure that there is something to build the new database from.
func (e *Engine) checkFiles() error {
	directory, err := migration.ReadDirectory(e.project.Migrations.Dir, e.project.Migrations.Naming)
	if err != nil {
		return err
	}
	fresh := stream{
		Stream:     e.project.Migrations,
		directory:  directory,
		comparison: history.Compare(history.Files{Directory: directory}, history.History{}, history.Rules{}),
	}
	_, err = fresh.pending(math.MaxInt64)
	return err
}

func (e *Engine) confirmReset(ctx context.Context, target connection.Target) error {
	confirmed := e.settings.Typed("CONFIRM")
	if confirmed == "" && e.terminal.Interactive {
		confirmed = e.terminal.Ask(ctx, fmt.Sprintf("This drops database %s on %s (%s) and everything in it.\nType its name to go on: ",
			target.Database, target.Address(), target.Environment))
	}
	if confirmed != target.Database {
		return failure.Refused("reset is not confirmed (%q): it drops database %s on %s: run again with CONFIRM=%s",
			confirmed, target.Database, target.Address(), target.Database)
	}
	return nil
}

// recreate drops and creates the database from a session elsewhere, while the target's own session holds the lock, so
// that no other runner is in the middle of its work.
func (e *Engine) recreate(ctx context.Context, target connection.Target) error {
	maintenance, err := e.openMaintenance(ctx, target)
	if err != nil {
		return err
	}
	defer maintenance.Close()
	found, err := maintenance.inspect(ctx, "reset", target.Database)
	if err != nil {
		return err
	}
	if !found.exists {
		e.report.Say("database %s is not there: creating it", target.Database)
		return maintenance.create(ctx, found)
	}
	if !found.owned {
		return failure.Refused("database %s belongs to role %q, not to %q: let its owner reset it",
			found.name, found.owner, target.User)
	}
	locked, err := e.openTarget(ctx, target)
	if err != nil {
		return err
	}
	defer locked.Close()
	if err := locked.lock(ctx); err != nil {
		return err
	}
	if err := locked.readMarker(ctx); err != nil {
		return err
	}
	if err := locked.target.Environment.CheckDisposable("reset"); err != nil {
		return err
	}
	return maintenance.replace(ctx, found)
}

// openMaintenance connects to a database that is always there: the one to drop must have no session that matters.
func (e *Engine) openMaintenance(ctx context.Context, target connection.Target) (*session, error) {
	session, err := e.openTarget(ctx, target.Elsewhere("postgres"))
	if failure.CodeOf(err) != failure.CodeUnreachable {
		return session, err
	}
	session, otherwise := e.openTarget(ctx, target.Elsewhere("template1"))
	if otherwise != nil {
		return nil, err
	}
	return session, nil
}

func (s *session) replace(ctx context.Context, database database) error {
	if _, err := s.ExecContext(ctx, "DROP DATABASE "+quoteName(database.name)+" WITH (FORCE)"); err != nil {
		return s.cannot("dropped", "reset", database, err)
	}
	s.engine.report.Say("dropped %s", database.name)
	// From here on there is no database: an interrupt must not leave it that way.
	return s.create(context.WithoutCancel(ctx), database)
}

func (s *session) create(ctx context.Context, database database) error {
	if _, err := s.ExecContext(ctx, database.createStatement()); err != nil {
		return s.cannot("created", "reset", database, err)
	}
	s.engine.report.Say("created %s", database.name)
	return nil
}

func (s *session) cannot(done, operation string, database database, err error) error {
	message := err.Error()
	var server *pgconn.PgError
	if errors.As(err, &server) {
		message = server.Message + " (SQLSTATE " + server.Code + ")"
	}
	return failure.Refused("database %s could not be %s: %s: see to it and run %s again",
		database.name, done, message, operation)
}
