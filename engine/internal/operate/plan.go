package operate

import (
	"context"
	"fmt"
	"math"

	"avion.internal/migrate/internal/locks"
	"avion.internal/migrate/internal/migration"
)

type planDocument struct {
	Database    string          `json:"database"`
	Environment string          `json:"environment"`
	Version     int64           `json:"version"`
	Migrations  []planMigration `json:"migrations"`
}

type planMigration struct {
	Version     int64           `json:"version"`
	File        string          `json:"file"`
	Transaction bool            `json:"transaction"`
	Statements  []planStatement `json:"statements"`
}

type planStatement struct {
	Line  int        `json:"line"`
	SQL   string     `json:"sql"`
	Locks []planLock `json:"locks"`
	// Unknown is why there may be more locks.
	Unknown string `json:"unknown,omitempty"`
}

type planLock struct {
	locks.Lock
	Blocks string `json:"blocks"`
}

// Plan prints the SQL that Up would run now, with the locks that it would take.
func (e *Engine) Plan(ctx context.Context, asJSON bool) error {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	steps, err := current.pending(math.MaxInt64)
	if err != nil {
		return err
	}
	document := planDocument{
		Database: session.Target.Database, Environment: string(session.Target.Environment),
		Version: current.History.Current(), Migrations: []planMigration{},
	}
	for _, step := range steps {
		planned, err := plan(current.Directory, step)
		if err != nil {
			return err
		}
		document.Migrations = append(document.Migrations, planned)
	}
	if asJSON {
		err = e.PrintJSON(document)
	} else {
		e.printPlan(document)
	}
	e.Report.Say("%s (%s) is at %s: make migrate-up would apply %s", document.Database, document.Environment,
		migration.FormatVersion(document.Version), migration.Count(len(steps)))
	return err
}

func plan(directory migration.Directory, step migration.Migration) (planMigration, error) {
	script, err := directory.Script(step)
	if err != nil {
		return planMigration{}, err
	}
	planned := planMigration{Version: step.Version, File: step.File, Transaction: !script.NoTransaction, Statements: []planStatement{}}
	created := map[string]bool{}
	for _, statement := range script.Up {
		found := planStatement{Line: statement.Line, SQL: statement.Text, Locks: []planLock{}}
		for _, text := range statement.Parts() {
			expectation := locks.Expect(text, created)
			for _, lock := range expectation.Locks {
				found.Locks = append(found.Locks, planLock{lock, lock.Mode.Blocks()})
			}
			if expectation.Unknown != "" {
				found.Unknown = expectation.Unknown
			}
		}
		planned.Statements = append(planned.Statements, found)
	}
	return planned, nil
}

// printPlan writes what psql would understand: the locks are comments.
func (e *Engine) printPlan(document planDocument) {
	for _, step := range document.Migrations {
		title := "-- " + step.File
		if !step.Transaction {
			title += " (NO TRANSACTION)"
		}
		fmt.Fprintln(e.Terminal.Out, title)
		for _, statement := range step.Statements {
			for _, lock := range statement.Locks {
				fmt.Fprintf(e.Terminal.Out, "-- lock: %s, which blocks %s\n", lock.Lock, lock.Blocks)
			}
			if statement.Unknown != "" {
				fmt.Fprintf(e.Terminal.Out, "-- lock: not all are known: %s\n", statement.Unknown)
			}
			fmt.Fprintln(e.Terminal.Out, statement.SQL)
		}
		fmt.Fprintln(e.Terminal.Out)
	}
}
