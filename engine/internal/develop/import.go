package develop

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/draft"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/foreign"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/sqlscan"
)

// imported are another tool's files beside what they become.
type imported struct {
	foreign.Folder
	numbers []int64
	files   []foreign.File
}

func (i imported) last() int64 { return i.numbers[len(i.numbers)-1] }

// Import writes the files of another tool as goose's. It shows first what becomes of each, deletes nothing, and says which
// baseline belongs to them, as far as the database has come.
func (e *Engine) Import(ctx context.Context, from string) error {
	made, err := e.convert(from)
	if err != nil {
		return err
	}
	applied, err := e.appliedElsewhere(ctx, made)
	if err != nil {
		return err
	}
	irreversible := 0
	var files []draft.File
	for _, file := range made.files {
		fmt.Fprintf(e.Terminal.Out, "%s -> %s\n", strings.Join(file.From, " + "), filepath.Join(e.Project.Migrations.Dir, file.Name))
		files = append(files, draft.File{Path: file.Name, Content: file.Content})
		if file.Irreversible {
			irreversible++
		}
	}
	if irreversible > 0 {
		e.Report.Say("note: %s no way back, and get none: migrate-validate lets that pass below check_from only",
			report.Count(irreversible, "migration has", "migrations have"))
	}
	if !e.confirmedToWrite(ctx, "these") {
		return nil
	}
	if _, err := draft.Write(e.Project.Migrations.Dir, files); err != nil {
		return err
	}
	when := "when " + string(made.Tool) + " does not need them any more"
	if made.Path == filepath.Clean(e.Project.Migrations.Dir) {
		when = "before anything runs, because goose takes every SQL file there for its own"
	}
	e.Report.Say("%s written to %s, and nothing was deleted: take the old files out of %s %s",
		report.Count(len(files), "migration was", "migrations were"), e.Project.Migrations.Dir, made.Path, when)
	e.Report.Say("write check_from: %s into .goose.yml, so that nobody judges what was before", migration.FormatVersion(made.last()+1))
	e.sayBaseline(made, applied)
	return nil
}

// convert reads the other tool's folder, and refuses what does not fit into this service's.
func (e *Engine) convert(from string) (imported, error) {
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return imported{}, err
	}
	if from == "" {
		found := foreign.Find(".")
		if len(found) > 1 {
			return imported{}, failure.Refused("several folders hold another tool's migrations (%s): name one of them with FROM=", strings.Join(found, ", "))
		}
		from = e.Project.Migrations.Dir
		if len(found) == 1 {
			from = found[0]
		}
	}
	made := imported{}
	if made.Folder, err = foreign.Read(filepath.Clean(from)); err != nil {
		return imported{}, err
	}
	made.numbers = made.Number()
	for position, each := range made.Migrations {
		file, err := each.Convert(made.numbers[position])
		if err != nil {
			return imported{}, err
		}
		if there, taken := directory.Find(made.numbers[position]); taken && !slices.Contains(file.From, filepath.Join(directory.Path, there.File)) {
			return imported{}, failure.Refused("%s has the number that %s gets: remove it if it is the first migration of the template, or was imported before, and run again",
				filepath.Join(directory.Path, there.File), file.From[0])
		}
		made.files = append(made.files, file)
	}
	return made, nil
}

// appliedElsewhere is the number here of the last migration that the other tool has applied: nought where it has applied none,
// and -1 where no database could be asked. What it left half done stops the import.
func (e *Engine) appliedElsewhere(ctx context.Context, made imported) (int64, error) {
	session, err := e.Open(ctx)
	if err != nil {
		e.Report.Say("no database was asked how far %s has come: %s", made.Tool, err)
		return -1, nil
	}
	defer session.Close()
	others, err := history.Elsewhere(ctx, session.DB, e.Project.Migrations.Table, e.Project.Seed.Table)
	if err != nil {
		return 0, session.Unreadable(ctx, "pg_class", err)
	}
	for _, other := range others {
		if !strings.Contains(other.Tool, string(made.Tool)) {
			continue
		}
		if other.HalfDone {
			return 0, failure.HistoryMismatch("%s in %s: nobody can tell what of that is there: let %s finish it, or undo it, and run again",
				other, session.Target.Database, made.Tool)
		}
		versions, err := sqlscan.Column[int64](ctx, session, "SELECT version::bigint FROM "+other.Table) // as both tools name it
		if err != nil {
			return 0, session.Unreadable(ctx, other.Table, err)
		}
		return made.reached(versions, other.Table)
	}
	return 0, nil
}

// reached is the number of the last migration that is applied, with all that are before it.
func (i imported) reached(versions []int64, table string) (int64, error) {
	newest := slices.Max(versions)
	position := slices.IndexFunc(i.Migrations, func(m foreign.Migration) bool { return m.Version == newest })
	if position < 0 {
		return 0, failure.HistoryMismatch("%s says %d, which no file in %s has: bring that file, or name another folder with FROM=", table, newest, i.Path)
	}
	for _, each := range i.Migrations[:position] {
		// golang-migrate remembers the newest alone.
		if i.Tool == foreign.Dbmate && !slices.Contains(versions, each.Version) {
			return 0, failure.HistoryMismatch("%s has %d, but not %d, which comes before it: run %s up, so that a baseline can be drawn, and run again",
				table, newest, each.Version, i.Tool)
		}
	}
	return i.numbers[position], nil
}

// sayBaseline tells which baseline belongs to the files.
func (e *Engine) sayBaseline(made imported, applied int64) {
	switch {
	case applied > 0:
		e.Report.Say("this database has them up to %s: next make migrate-baseline VERSION=%s, here and on every database as far as it has come",
			migration.FormatVersion(applied), migration.FormatVersion(applied))
	default:
		e.Report.Say("a database that %s has brought to the end of them takes make migrate-baseline VERSION=%s, and an empty one make migrate-up",
			made.Tool, migration.FormatVersion(made.last()))
	}
}
