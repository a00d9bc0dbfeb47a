package operate

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
)

// StatusOptions choose the form of the answer.
type StatusOptions struct {
	JSON     bool
	ExitCode bool // fail with exit code 2 while something is pending
}

type statusDocument struct {
	Database    string `json:"database"`
	Environment string `json:"environment"`
	Version     int64  `json:"version"`
	Pending     int    `json:"pending"`
	// Marked is the environment that the database says it belongs to.
	Marked     string        `json:"marked,omitempty"`
	Unrecorded int           `json:"unrecorded"`
	Migrations []statusEntry `json:"migrations"`
}

type statusEntry struct {
	Version   int64         `json:"version"`
	File      string        `json:"file,omitempty"`
	State     history.State `json:"state"`
	AppliedAt string        `json:"applied_at,omitempty"`
	// Order is 1 for the version that was applied first.
	Order int `json:"order,omitempty"`
	// RecordedFile is the name that was applied, where the file has another one now.
	RecordedFile string `json:"recorded_file,omitempty"`
	MovedTo      string `json:"moved_to,omitempty"`
	// Unrecorded tells that another tool applied the version, so that its checksum is not known.
	Unrecorded bool `json:"unrecorded,omitempty"`
}

// Status shows which migrations are applied. It asks one query and changes nothing, not even an empty database.
func (e *Engine) Status(ctx context.Context, options StatusOptions) error {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	document := session.describe(current)
	if options.JSON {
		err = e.PrintJSON(document)
	} else {
		err = e.printTable(document)
	}
	if err != nil {
		return err
	}
	if err := current.Check(); err != nil {
		return err
	}
	if !options.ExitCode {
		return nil
	}
	return pending(document.Pending, document.Database)
}

// pending is the failure of --exit-code.
func pending(number int, database string) error {
	if number == 0 {
		return nil
	}
	return failure.Pending("%s pending in %s: run make migrate-up", report.Migrations(number), database)
}

func (s *Session) describe(current Stream) statusDocument {
	document := statusDocument{
		Database:    s.Target.Database,
		Environment: string(s.Target.Environment),
		Version:     current.History.Current(),
		Pending:     len(current.Comparison.In(history.Pending)),
		Marked:      current.History.Marker,
		Unrecorded:  len(current.Comparison.Unrecorded()),
		Migrations:  []statusEntry{},
	}
	for _, entry := range current.Comparison.Entries {
		line := statusEntry{
			Version: entry.Version, File: entry.File, State: entry.State, Order: entry.Order,
			MovedTo: entry.MovedTo, Unrecorded: entry.Unrecorded(),
		}
		if entry.RecordedFile != entry.File {
			line.RecordedFile = entry.RecordedFile
		}
		if !entry.AppliedAt.IsZero() {
			line.AppliedAt = entry.AppliedAt.UTC().Format(time.RFC3339)
		}
		document.Migrations = append(document.Migrations, line)
	}
	return document
}

func (e *Engine) printTable(document statusDocument) error {
	table := tabwriter.NewWriter(e.Terminal.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tSTATE\tAPPLIED AT\tFILE")
	for _, entry := range document.Migrations {
		state := string(entry.State)
		if entry.Unrecorded {
			state += ", unrecorded"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", migration.FormatVersion(entry.Version), state,
			orDash(entry.AppliedAt), orDash(entry.File))
	}
	if err := table.Flush(); err != nil {
		return failure.Refused("the status could not be written (%w): make room for it and run again", err)
	}
	e.Report.Say("%s (%s) is at %s, %s pending", document.Database, document.Environment,
		migration.FormatVersion(document.Version), report.Migrations(document.Pending))
	if document.Unrecorded > 0 {
		e.Report.Say("%s applied by another tool, without a checksum: the next make migrate-up records them as the files are then",
			report.Migrations(document.Unrecorded))
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
