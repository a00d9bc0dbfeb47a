package develop

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/adopt"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
)

// database is what only a server can tell: the histories in the database of the settings, and which rollbacks fail.
func (s *surveyor) database(ctx context.Context) {
	target, err := s.Target()
	if err != nil {
		s.unknown("histories in the database, and rollbacks", err)
		return
	}
	if session, err := s.OpenTarget(ctx, target); err == nil {
		others, err := history.Elsewhere(ctx, session.DB, s.Project.Migrations.Table, s.Project.Seed.Table)
		session.Close()
		if err != nil {
			s.unknown("histories in the database", err)
		}
		for _, other := range others {
			wayOut := "record what it has done with make migrate-baseline"
			if other.OfGoose() {
				wayOut = "name it as table in .goose.yml if it is this service's"
			}
			s.add(adopt.Histories, "", 0, target.Database+" has a history in "+other.String(), wayOut)
		}
	}
	if err := target.Environment.CheckDisposable("adopt"); err != nil {
		s.unknown("rollbacks", err)
		return
	}
	if err := s.rollbacks(ctx, target); err != nil {
		s.unknown("rollbacks, which are tried on a throw-away database", err)
	}
}

// rollbacks tries each Down section after everything up to its migration was applied.
func (s *surveyor) rollbacks(ctx context.Context, target connection.Target) (err error) {
	// Names are among the findings already.
	tolerant := silent(s.Engine.Engine)
	tolerant.Project.Migrations.Naming = migration.AsGoose
	directory, err := s.directory(tolerant.Project.Migrations.Rules)
	if err != nil || len(directory.Migrations) == 0 {
		return nil
	}
	if err := directory.Check(); err != nil {
		return err
	}
	maintenance, err := s.openMaintenance(ctx, target)
	if err != nil {
		return err
	}
	defer maintenance.Close()
	databases := &scratches{maintenanceSession: maintenance, target: target}
	defer func() { err = cmp.Or(err, databases.drop(ctx)) }()
	attempt := &trial{surveyor: s, engine: tolerant, databases: databases, directory: directory}
	defer attempt.close()
	for position := directory.Unjudged(); position < len(directory.Migrations); position++ {
		if next, err := attempt.step(ctx, position); err != nil || !next {
			return err
		}
	}
	return nil
}

// trial is a throw-away database with the migrations before a position in it; another takes its place when a rollback has left
// it as it never was.
type trial struct {
	*surveyor
	engine    *operate.Engine
	databases *scratches
	directory migration.Directory
	checker   *checker
	applied   int
}

func (t *trial) close() {
	if t.checker != nil {
		t.checker.Close()
	}
	t.checker, t.applied = nil, 0
}

// step applies everything up to a migration, and tries its rollback. It is over where a migration cannot be applied.
func (t *trial) step(ctx context.Context, position int) (goOn bool, err error) {
	if t.checker == nil {
		scratch, err := t.databases.create(ctx)
		if err != nil {
			return false, err
		}
		session, err := t.engine.OpenTarget(ctx, scratch)
		if err != nil {
			return false, err
		}
		t.checker = &checker{Session: session, directory: t.directory, result: &checkResult{}, say: func(string, ...any) {}}
	}
	for ; t.applied < position; t.applied++ {
		if err := t.checker.apply(ctx, t.directory.Migrations[t.applied], operate.Up); err != nil {
			t.refusedStep(t.directory.Migrations[t.applied], err, "")
			return false, nil
		}
	}
	before, err := readSchema(ctx, t.checker.Session)
	if err != nil {
		return false, err
	}
	m := t.directory.Migrations[position]
	if err := t.checker.apply(ctx, m, operate.Up); err != nil {
		t.refusedStep(m, err, "")
		return false, nil
	}
	t.applied++
	if script, err := t.directory.Script(m); err != nil || len(script.Down) == 0 {
		return true, nil //nolint:nilerr // a file without Down is among the findings
	}
	if err := t.checker.apply(ctx, m, operate.Down); err != nil {
		t.refusedStep(m, err, leave)
		t.close()
		return true, nil
	}
	t.applied--
	refusal := failure.MigrationFailed("%s does not undo in Down what it does in Up: correct its Down section", filepath.Join(t.directory.Path, m.File))
	if err := t.checker.hold(ctx, t.checker.Session, before, refusal); err != nil {
		t.refusedStep(m, err, leave)
		t.close()
	}
	return true, nil
}

func (t *trial) refusedStep(m migration.Migration, err error, wayOut string) {
	sentence := strings.TrimPrefix(err.Error(), filepath.Join(t.directory.Path, m.File)+" ")
	t.add(adopt.Rollbacks, filepath.Join(t.directory.Path, m.File), 0, sentence, wayOut)
}
