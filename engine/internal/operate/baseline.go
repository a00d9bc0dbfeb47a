package operate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
)

// BaselineOptions choose the form of the answer.
type BaselineOptions struct{ JSON bool }

type baselineDocument struct {
	Database    string `json:"database"`
	Environment string `json:"environment"`
	Version     int64  `json:"version"`
	// Objects is how many tables and views are there.
	Objects int `json:"objects"`
	// Histories are those of other tools.
	Histories []string       `json:"histories"`
	Recorded  []baselineFile `json:"recorded"`
	Pending   []baselineFile `json:"pending"`
	// Done is false where the run has only shown what it would do.
	Done bool `json:"done"`
}

type baselineFile struct {
	Version int64  `json:"version"`
	File    string `json:"file"`
}

// Baseline records the files up to a version as applied without running them: something else has brought their objects into a
// database that has no history of this service's. It shows first what it would record. A wrong number would never be noticed
// by any later run, so that it takes the name of the database in every environment.
func (e *Engine) Baseline(ctx context.Context, typed string, options BaselineOptions) error {
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	current, err := session.lockAndRead(ctx)
	if err != nil {
		return err
	}
	version, err := current.baselineVersion(typed)
	if err != nil {
		return err
	}
	document, err := session.baseline(ctx, current, version)
	if err != nil {
		return err
	}
	if !options.JSON {
		if err := e.showBaseline(document); err != nil {
			return err
		}
	}
	files := current.Comparison.PendingTo(version)
	err = session.record(ctx, current, files)
	document.Done = err == nil
	if options.JSON {
		if err := e.PrintJSON(document); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	e.Report.Say("recorded %s as applied to %s without running: %s is at %s, %s pending", report.Migrations(len(files)),
		document.Database, current.Table, migration.FormatVersion(version), report.Migrations(len(document.Pending)))
	return nil
}

func (s Stream) baselineVersion(typed string) (int64, error) {
	if err := s.Directory.Check(); err != nil {
		return 0, err
	}
	last := migration.FormatVersion(s.Directory.Last())
	if typed == "" {
		return 0, failure.Refused("no version is named: run make migrate-baseline VERSION=%s with the number of the last file whose objects the database has", last)
	}
	version, err := strconv.ParseInt(typed, 10, 64)
	if _, found := s.Directory.Find(version); err != nil || !found {
		return 0, failure.Refused("VERSION is %q, which no file in %s has: use the number of one of them, at most %s", typed, s.Dir, last)
	}
	return version, nil
}

// objectsQuery counts tables and views, but for those of extensions and the engine's own.
const objectsQuery = `
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	AND NOT EXISTS (SELECT FROM unnest($1::text[]) own WHERE c.relname = own OR starts_with(c.relname, own || '_'))`

// baseline is what there is to record, refused where another command is the right one.
func (s *Session) baseline(ctx context.Context, current Stream, version int64) (baselineDocument, error) {
	if records := current.History.Records; len(records) > 0 {
		return baselineDocument{}, failure.Refused("%s in %s has a history already, which is at %s: a baseline is for a database without one: "+
			"run make migrate-status, and make migrate-up for what is pending", current.Table, s.Target.Database, migration.FormatVersion(current.History.Current()))
	}
	document := baselineDocument{
		Database: s.Target.Database, Environment: string(s.Target.Environment), Version: version,
		Histories: []string{}, Recorded: []baselineFile{}, Pending: []baselineFile{},
	}
	for _, other := range current.Comparison.Elsewhere {
		switch {
		case other.OfGoose():
			return document, failure.HistoryMismatch("the database has a history of goose in %s, which goes on if .goose.yml names it as table: "+
				"name it; if it belongs to something else, run tools/migrate/bin/migrate repair before the baseline", other)
		case other.HalfDone:
			return document, failure.HistoryMismatch("%s: nobody can tell what of that is there: let %s finish it, or undo it, and run again", other, other.Tool)
		}
		document.Histories = append(document.Histories, other.String())
	}
	own := []string{current.BareTable(), s.Engine.Project.Seed.BareTable()}
	if err := s.QueryRowContext(ctx, objectsQuery, own).Scan(&document.Objects); err != nil {
		return document, s.Unreadable(ctx, "pg_class", err)
	}
	if document.Objects == 0 {
		return document, failure.Refused("%s holds no table and no view, so that nothing has brought %s there: run make migrate-up, which applies it",
			s.Target.Database, migration.FormatVersion(version))
	}
	for _, entry := range current.Comparison.In(history.Pending) {
		into := &document.Pending
		if entry.Version <= version {
			into = &document.Recorded
		}
		*into = append(*into, baselineFile{entry.Version, entry.File})
	}
	return document, nil
}

func (e *Engine) showBaseline(document baselineDocument) error {
	table := tabwriter.NewWriter(e.Terminal.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tFILE\tBASELINE")
	for _, file := range document.Recorded {
		fmt.Fprintf(table, "%s\t%s\trecorded as applied, does not run\n", migration.FormatVersion(file.Version), file.File)
	}
	for _, file := range document.Pending {
		fmt.Fprintf(table, "%s\t%s\tstays pending\n", migration.FormatVersion(file.Version), file.File)
	}
	if err := table.Flush(); err != nil {
		return failure.Refused("what would be recorded could not be written (%s): make room for it and run again", err)
	}
	beside := ""
	if len(document.Histories) > 0 {
		beside = ", beside the history in " + strings.Join(document.Histories, ", ")
	}
	e.Report.Say("%s (%s) holds %s%s: make sure that the objects of the files above are among them", document.Database, document.Environment,
		report.Count(document.Objects, "table or view", "tables and views"), beside)
	return nil
}

// record begins the history with files that have not run.
func (s *Session) record(ctx context.Context, current Stream, files []history.Entry) error {
	if err := s.Engine.confirm("baseline", fmt.Sprintf("records %s as applied that did not run, and needs the name of the database",
		report.Migrations(len(files))), s.Target); err != nil {
		return err
	}
	begins := history.Baseline{
		Table: current.Table, Environment: s.said(), Known: current.History, Files: slices.Clone(files), Confirm: s.confirm,
	}
	if err := begins.Record(ctx, s.DB); err != nil {
		return s.Unreadable(ctx, current.Table, err)
	}
	return nil
}
