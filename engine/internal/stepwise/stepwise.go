// Package stepwise runs a file that asks for no transaction: one statement at a time, each of which is remembered, so that a
// run that was ended in the middle goes on where it was, and nothing runs twice. It never runs what the server may already
// have done without looking.
//
// A statement runs in a transaction of its own together with the line that remembers it. Only what PostgreSQL refuses there
// (CREATE INDEX CONCURRENTLY, VACUUM and their like) runs outside: it is remembered before and after, and a run that finds only
// the first of the two looks at the database for what was left.
//
// May import: connection, failure, history, migration, sqlscan, sqltext.
package stepwise

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqltext"
)

// Runner brings one section of a file to its end.
type Runner struct {
	// Session has exactly one connection.
	Session *sql.DB
	// Table is the version table; the statements are remembered beside it.
	Table   string
	Section history.Section
	// File is the path of the file, for people.
	File       string
	Statements []migration.Statement
	// Limit is the context that statements run with. One that waits for others without making anybody wait behind it is called
	// patient: it may wait for a lock as long as a statement may take.
	Limit func(ctx context.Context, patient bool) context.Context
	// Guard is a statement that fails where the session has lost its lock, and Confirm does so where that asks more; both may be
	// empty.
	Guard   string
	Confirm func(ctx context.Context, transaction *sql.Tx) error
	// Pooled tells that each transaction may have another session of the server, which other clients have after it.
	Pooled bool
	// Say is told what a person should know.
	Say func(format string, values ...any)

	own settings
	// byItself tells that the statement which ran last commits by itself.
	byItself bool
}

// settings are the session's own, which a file may have changed.
type settings struct{ role, searchPath string }

// commitsByItself is the reason of what nobody can tell from outside how far it came.
const commitsByItself = "it commits by itself"

// Stopped is the error of a section that did not come to its end.
type Stopped struct {
	Err error
	// Line is that of the statement which failed, Done how many statements before it stay.
	Line, Done int
	// Outside tells that the statement ran outside a transaction: a part of its work may stay.
	Outside bool
	// ByItself tells that it commits by itself, so that nobody can tell how far it came.
	ByItself bool
}

func (s *Stopped) Error() string { return s.Err.Error() }

// Unwrap is why.
func (s *Stopped) Unwrap() error { return s.Err }

// Stays tells what of the section is left in the database, and what the next run does about it.
func (s *Stopped) Stays() string {
	var stays string
	switch s.Done {
	case 0:
		stays = "nothing of it stays"
	case 1:
		stays = "the statement before it stays, and does not run again"
	default:
		stays = fmt.Sprintf("the %d statements before it stay, and do not run again", s.Done)
	}
	if s.ByItself {
		return fmt.Sprintf("%s; line %d commits by itself, so what it committed stays, and it is not run again as it is: look at what it did, and write into the file what is left to do", stays, s.Line)
	}
	if !s.Outside {
		return fmt.Sprintf("%s: the next run begins with line %d", stays, s.Line)
	}
	if s.Done == 0 {
		stays = ""
	} else {
		stays += ": "
	}
	return stays + fmt.Sprintf("line %d runs outside a transaction: the next run looks at what it left, clears it away and goes on there", s.Line)
}

// Run runs the statements that are not done. The version is then the caller's to record, in a transaction with ForgetStatements.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	known, err := history.ReadStatements(ctx, r.Session, r.Table, r.Section)
	if err != nil {
		return err
	}
	if err := r.check(known); err != nil {
		return err
	}
	for position, statement := range r.Statements {
		record, found := known[position]
		if found && record.Done {
			continue
		}
		if outside, err := r.step(ctx, position, statement, record, found); err != nil {
			return &Stopped{Err: err, Line: statement.Line, Done: position, Outside: outside, ByItself: r.byItself}
		}
	}
	return nil
}

func (r *Runner) prepare(ctx context.Context) error {
	if err := history.PrepareStatements(ctx, r.Session, r.Table); err != nil {
		return err
	}
	return r.Session.QueryRowContext(ctx, "SELECT current_setting('role'), current_setting('search_path')").Scan(&r.own.role, &r.own.searchPath)
}

// Edited is the first of the remembered statements that has run and does not stand in a section any more, if there is one.
func Edited(statements []migration.Statement, known map[int]history.Statement) (history.Statement, bool) {
	for _, position := range slices.Sorted(maps.Keys(known)) {
		record := known[position]
		if record.Done && (position >= len(statements) || record.Checksum != checksum(statements[position])) {
			return record, true
		}
	}
	return history.Statement{}, false
}

// check holds what has run against the file as it is now.
func (r *Runner) check(known map[int]history.Statement) error {
	if record, edited := Edited(r.Statements, known); edited {
		return failure.HistoryMismatch("%s was edited after its statement %d had run, on %s: bring that one back as it was: what has run stays, "+
			"and only what comes after may change; if you have undone it by hand, run tools/migrate/bin/migrate repair",
			r.File, record.Position+1, record.BegunAt.UTC().Format(time.RFC3339))
	}
	for position, record := range known {
		if position < len(r.Statements) && !record.Done && record.Reason == commitsByItself && record.Checksum == checksum(r.Statements[position]) {
			return failure.MigrationFailed("%s line %d began on %s and did not come to its end, and what it committed by itself stays: it is not run again "+
				"as it is: look at what it did, and write into the file what is left to do (SELECT 1; where nothing is)",
				r.File, r.Statements[position].Line, record.BegunAt.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// step runs a statement, or finishes one that an earlier run began. It tells whether it was outside a transaction.
func (r *Runner) step(ctx context.Context, position int, statement migration.Statement, record history.Statement, begun bool) (outside bool, err error) {
	if begun {
		finished, err := r.recover(ctx, record)
		if err != nil {
			return true, err
		}
		if record.Checksum == checksum(statement) {
			if finished {
				return true, history.End(ctx, r.Session, r.Table, r.Section, position, "")
			}
			return true, r.outside(ctx, position, statement, record)
		}
		if err := history.ForgetStatement(ctx, r.Session, r.Table, r.Section, position); err != nil {
			return true, err
		}
	}
	err = r.inside(ctx, position, statement)
	var server *pgconn.PgError
	switch {
	case errors.Is(err, connection.ErrEndedTransaction):
		return false, r.ended(ctx, position, statement, err)
	case !errors.As(err, &server):
		return false, err
	case server.Code == pgerrcode.ActiveSQLTransaction: // no transaction takes it
		return true, r.outside(ctx, position, statement, history.Statement{Reason: server.Message})
	case server.Code == pgerrcode.InvalidTransactionTermination && len(r.Statements) > 1:
		return false, failure.Refused("%s line %d commits by itself, and the file holds other statements: give it a file of its own, "+
			"because nobody could tell how far it came", r.File, statement.Line)
	case server.Code == pgerrcode.InvalidTransactionTermination: // it ends transactions by itself, which only one outside any may
		return true, r.outside(ctx, position, statement, history.Statement{Reason: commitsByItself})
	}
	return false, err
}

// inside runs a statement in a transaction with the line that remembers it.
func (r *Runner) inside(ctx context.Context, position int, statement migration.Statement) error {
	limited := r.Limit(ctx, false)
	return history.InTransaction(limited, r.Session, func(transaction *sql.Tx) error {
		if _, err := transaction.ExecContext(limited, statement.Text); err != nil {
			return err
		}
		return r.remember(ctx, transaction, position, statement)
	})
}

// remember is the last statement of its transaction.
func (r *Runner) remember(ctx context.Context, transaction *sql.Tx, position int, statement migration.Statement) error {
	return r.last(ctx, transaction, func(ctx context.Context) error {
		return history.Remember(ctx, transaction, r.Table, r.Section, history.Statement{Position: position, Checksum: checksum(statement)})
	})
}

// last runs the one statement that ends a transaction, and finds the engine's tables whatever the file has set for its next
// statements. It shares its message with the guard and COMMIT.
func (r *Runner) last(ctx context.Context, transaction *sql.Tx, write func(context.Context) error) error {
	before := r.ownSettings()
	if r.Confirm != nil {
		if _, err := transaction.ExecContext(ctx, before); err != nil {
			return err
		}
		if err := r.Confirm(ctx, transaction); err != nil {
			return err
		}
	}
	return write(connection.Last(ctx, before, r.Guard))
}

func (r *Runner) ownSettings() string {
	if r.Pooled { // nothing that the file has set may reach whoever has the session next
		return connection.OwnSettings
	}
	return "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE " + sqltext.Literal(r.own.role) +
		"; SELECT set_config('search_path', " + sqltext.Literal(r.own.searchPath) + ", true)"
}

// bookkeep writes to the engine's own tables, by one statement in a transaction of its own.
func (r *Runner) bookkeep(ctx context.Context, write func(context.Context, *sql.Tx) error) error {
	return history.InTransaction(ctx, r.Session, func(transaction *sql.Tx) error {
		return r.last(ctx, transaction, func(ctx context.Context) error { return write(ctx, transaction) })
	})
}

// outside runs a statement between two lines that remember it.
func (r *Runner) outside(ctx context.Context, position int, statement migration.Statement, record history.Statement) error {
	again := record.Unusable != ""
	r.byItself = record.Reason == commitsByItself
	record.Position, record.Checksum = position, checksum(statement)
	if !again {
		unusable, err := r.unusable(ctx)
		if err != nil {
			return err
		}
		record.Unusable = unusable
	}
	if err := r.bookkeep(ctx, func(ctx context.Context, transaction *sql.Tx) error {
		return history.Begin(ctx, transaction, r.Table, r.Section, record)
	}); err != nil {
		return err
	}
	_, err := r.Session.ExecContext(r.Limit(ctx, strings.Contains(record.Reason, "CONCURRENTLY")), statement.Text)
	var server *pgconn.PgError
	switch {
	case err == nil, again && record.Failure == "" && errors.As(err, &server) && isDone(server.Code):
		return r.bookkeep(ctx, func(ctx context.Context, transaction *sql.Tx) error {
			return history.End(ctx, transaction, r.Table, r.Section, position, "")
		})
	case errors.As(err, &server) && !connection.Lost(err):
		// What the server said of the end is worth keeping, even where the run was interrupted.
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.bookkeep(after, func(after context.Context, transaction *sql.Tx) error {
			return history.End(after, transaction, r.Table, r.Section, position, server.Code)
		})
	}
	return err
}

// isDone recognises what PostgreSQL says to a statement that has come to its end before: what it makes is there, or what it
// takes away is gone.
func isDone(code string) bool {
	switch code {
	case pgerrcode.DuplicateTable, pgerrcode.DuplicateObject, pgerrcode.DuplicateDatabase,
		pgerrcode.UndefinedTable, pgerrcode.UndefinedObject, pgerrcode.InvalidCatalogName:
		return true
	}
	return false
}

// ended remembers a statement that ended its own transaction, so that it is not run again as it is.
func (r *Runner) ended(ctx context.Context, position int, statement migration.Statement, err error) error {
	r.byItself = true
	record := history.Statement{Position: position, Checksum: checksum(statement), Reason: commitsByItself, Unusable: "{}"}
	return errors.Join(err, r.bookkeep(ctx, func(ctx context.Context, transaction *sql.Tx) error {
		return history.Begin(ctx, transaction, r.Table, r.Section, record)
	}))
}

func checksum(statement migration.Statement) string {
	return migration.Checksum([]byte(statement.Text))
}
