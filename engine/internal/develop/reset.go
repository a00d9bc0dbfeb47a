package develop

import (
	"context"
	"fmt"
	"math"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
)

// Reset drops the database, creates it anew as it was, and applies every migration. Whatever can be refused is refused
// before anything is dropped.
func (e *Engine) Reset(ctx context.Context) error {
	target, err := e.Target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("reset"); err != nil {
		return err
	}
	if err := e.CheckFiles(); err != nil {
		return err
	}
	if err := e.confirmReset(ctx, target); err != nil {
		return err
	}
	if err := e.recreate(ctx, target); err != nil {
		return err
	}
	session, err := e.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Up(ctx, math.MaxInt64)
}

func (e *Engine) confirmReset(ctx context.Context, target connection.Target) error {
	confirmed := e.Settings.Typed(config.Confirm)
	if confirmed == "" && e.Terminal.Interactive {
		confirmed = e.Terminal.Ask(ctx, fmt.Sprintf("This drops database %s on %s (%s) and everything in it.\nType its name to go on: ",
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
		e.Report.Say("database %s is not there: creating it", target.Database)
		return maintenance.create(ctx, found)
	}
	if !found.owned {
		return failure.Refused("database %s belongs to role %q, not to %q: let its owner reset it",
			found.name, found.owner, target.User)
	}
	locked, err := e.OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer locked.Close()
	if err := locked.Lock(ctx); err != nil {
		return err
	}
	if err := locked.ReadMarker(ctx); err != nil {
		return err
	}
	if err := locked.Target.Environment.CheckDisposable("reset"); err != nil {
		return err
	}
	return maintenance.replace(ctx, found)
}

func (s *maintenanceSession) replace(ctx context.Context, database properties) error {
	if err := s.dropForce(ctx, database.name); err != nil {
		return s.cannot("dropped", "reset", database.name, err)
	}
	s.Engine.Report.Say("dropped %s", database.name)
	// From here on there is no database: an interrupt must not leave it that way.
	return s.create(context.WithoutCancel(ctx), database)
}

func (s *maintenanceSession) create(ctx context.Context, database properties) error {
	if _, err := s.ExecContext(ctx, database.createStatement()); err != nil {
		return s.cannot("created", "reset", database.name, err)
	}
	s.Engine.Report.Say("created %s", database.name)
	return nil
}
