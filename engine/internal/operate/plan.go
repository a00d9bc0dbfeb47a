package operate

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/tablelock"
)

// Plan is what Up would run now. The developers' program adds what it measures.
type Plan struct {
	Database    string             `json:"database"`
	Environment string             `json:"environment"`
	Version     int64              `json:"version"`
	Migrations  []PlannedMigration `json:"migrations"`
	// InTheWay are the sessions of the database whose transactions a migration may have to wait for.
	InTheWay []OpenTransaction `json:"in_the_way,omitempty"`
	// Unmeasured is why nothing was measured, empty if it was.
	Unmeasured string `json:"unmeasured,omitempty"`
}

// PlannedMigration is a file.
type PlannedMigration struct {
	Version     int64              `json:"version"`
	File        string             `json:"file"`
	Transaction bool               `json:"transaction"`
	Statements  []PlannedStatement `json:"statements"`
	// Findings are the objections to the file.
	Findings []PlannedFinding `json:"findings,omitempty"`
}

// PlannedStatement is what goose sends at once.
type PlannedStatement struct {
	Line int    `json:"line"`
	SQL  string `json:"sql"`
	// Locks are on relations that are there already; those that several statements need stand with each.
	Locks []PlannedLock `json:"locks"`
	// Unknown is why there may be more locks.
	Unknown string `json:"unknown,omitempty"`
	// Relations are those of the database whose names the text holds.
	Relations []Size `json:"relations,omitempty"`
	// Parts are the statements of a block that holds several.
	Parts []PlannedStatement `json:"parts,omitempty"`
	Facts
}

// PlanStatements are the statements of a file before anything is known of them.
func PlanStatements(all []migration.Statement) []PlannedStatement {
	planned := make([]PlannedStatement, len(all))
	for position, statement := range all {
		planned[position] = PlannedStatement{Line: statement.Line, SQL: statement.Text, Locks: []PlannedLock{}}
	}
	return planned
}

// Covers tells whether the statement, or a part of it, stands on a line of its file.
func (s PlannedStatement) Covers(line int) bool {
	return migration.Statement{Line: s.Line, Text: s.SQL}.Covers(line)
}

// Facts are what was measured of a statement on a throw-away database.
type Facts struct {
	Measured  bool            `json:"measured,omitempty"`
	Rewrites  []string        `json:"rewrites,omitempty"`
	Verifies  []string        `json:"verifies,omitempty"`
	Builds    []PlannedIndex  `json:"builds,omitempty"`
	Validates []string        `json:"validates,omitempty"`
	Rows      []PlannedRows   `json:"rows,omitempty"`
	Created   []PlannedObject `json:"created,omitempty"`
	Dropped   []PlannedObject `json:"dropped,omitempty"`
	Invalid   []string        `json:"invalid,omitempty"`
}

// PlannedIndex is an index that is built, with its table.
type PlannedIndex struct {
	Index string `json:"index"`
	Table string `json:"table"`
}

// PlannedRows counts the rows that a statement changed on the throw-away database.
type PlannedRows struct {
	Relation string `json:"relation"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

// PlannedObject is an object of the catalog; Renamed is its new name if it keeps existing.
type PlannedObject struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Renamed string `json:"renamed,omitempty"`
}

// PlannedFinding is an objection to a statement.
type PlannedFinding struct {
	Line    int    `json:"line"`
	Level   string `json:"level"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
	Help    string `json:"help,omitempty"`
}

// PlannedLock is a lock, whom it keeps waiting and, where it is held further, until the end of the statement on which line.
type PlannedLock struct {
	tablelock.Lock
	Blocks string `json:"blocks"`
	Until  int    `json:"until_line,omitempty"`
	Size   *Size  `json:"size,omitempty"`
}

// Size is how large a relation of the database is; the server estimates the rows.
type Size struct {
	Relation string `json:"relation"`
	Bytes    int64  `json:"bytes"`
	Rows     int64  `json:"rows"`
}

// OpenTransaction is a session that holds what it has locked until it ends its transaction.
type OpenTransaction struct {
	PID         int    `json:"pid"`
	Application string `json:"application,omitempty"`
	State       string `json:"state"`
	Seconds     int64  `json:"seconds"`
}

// notRead is why this program names no lock.
const notRead = "this program does not read SQL: migrate-dev plan measures the locks on a throw-away database"

// Plan prints the SQL that Up would run now, with the sizes of the relations that it names and who is in the way.
func (e *Engine) Plan(ctx context.Context, asJSON bool) error {
	session, _, _, plan, err := e.PreparePlan(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, step := range plan.Migrations {
		for position := range step.Statements {
			statement := &step.Statements[position]
			statement.Unknown = notRead
			if statement.Relations, err = session.Sizes(ctx, words(statement.SQL)); err != nil {
				return err
			}
		}
	}
	return e.ShowPlan(plan, asJSON)
}

// PreparePlan reads what Up would run now. The caller closes the session.
func (e *Engine) PreparePlan(ctx context.Context) (*Session, Stream, []migration.Migration, Plan, error) {
	session, current, err := e.openAndRead(ctx)
	if err != nil {
		return nil, Stream{}, nil, Plan{}, err
	}
	plan, steps, err := session.plan(ctx, current)
	if err != nil {
		session.Close()
		return nil, Stream{}, nil, Plan{}, err
	}
	return session, current, steps, plan, nil
}

func (s *Session) plan(ctx context.Context, current Stream) (plan Plan, steps []migration.Migration, err error) {
	plan = Plan{
		Database: s.Target.Database, Environment: string(s.Target.Environment),
		Version: current.History.Current(), Migrations: []PlannedMigration{},
	}
	if steps, err = current.pending(math.MaxInt64); err != nil || len(steps) == 0 {
		return plan, nil, err
	}
	for _, step := range steps {
		script, err := current.Directory.Script(step)
		if err != nil {
			return Plan{}, nil, err
		}
		plan.Migrations = append(plan.Migrations, PlannedMigration{
			Version: step.Version, File: step.File, Transaction: !script.NoTransaction, Statements: PlanStatements(script.Up),
		})
	}
	plan.InTheWay, err = s.openTransactions(ctx)
	return plan, steps, err
}

// ShowPlan prints a plan for people or for machines.
func (e *Engine) ShowPlan(plan Plan, asJSON bool) error {
	var err error
	if asJSON {
		err = e.PrintJSON(plan)
	} else {
		e.printPlan(plan)
	}
	if plan.Unmeasured != "" && len(plan.Migrations) > 0 {
		e.Report.Say("the locks were not measured: %s", plan.Unmeasured)
	}
	e.Report.Say("%s (%s) is at %s: make migrate-up would apply %s", plan.Database, plan.Environment,
		migration.FormatVersion(plan.Version), report.Migrations(len(plan.Migrations)))
	return err
}

// printPlan writes what psql would understand: everything but the SQL is a comment.
func (e *Engine) printPlan(plan Plan) {
	say := func(format string, values ...any) {
		fmt.Fprintf(e.Terminal.Out, "-- "+format+"\n", values...)
	}
	for _, each := range plan.InTheWay {
		say("in the way: session %d (%s), in a transaction for %d s, %s", each.PID, each.Application, each.Seconds, each.State)
	}
	for _, step := range plan.Migrations {
		title := step.File
		if !step.Transaction {
			title += " (NO TRANSACTION)"
		}
		say("%s", title)
		for _, statement := range step.Statements {
			for _, finding := range step.Findings {
				if statement.Covers(finding.Line) {
					say("%s: line %d: %s: %s %s", finding.Level, finding.Line, finding.Rule, finding.Message, finding.Help)
				}
			}
			statement.comment(say)
			fmt.Fprintln(e.Terminal.Out, statement.SQL)
		}
		fmt.Fprintln(e.Terminal.Out)
	}
}

func (s PlannedStatement) comment(say func(string, ...any)) {
	for _, lock := range s.Locks {
		size := ""
		if lock.Size != nil {
			size = ", " + lock.Size.String()
		}
		until := ""
		if lock.Until > s.Line && !s.Covers(lock.Until) {
			until = fmt.Sprintf(", until line %d is done", lock.Until)
		}
		say("lock: %s, which blocks %s%s%s", lock.Lock, lock.Blocks, until, size)
	}
	for _, effect := range s.Effects() {
		say("%s", effect)
	}
	for _, size := range s.Relations {
		say("names %s", size)
	}
	if s.Unknown != "" && s.Unknown != notRead {
		say("lock: not all are known: %s", s.Unknown)
	}
}

// Effects tell in words what was measured of a statement besides its locks.
func (f Facts) Effects() []string {
	var all []string
	say := func(format string, values ...any) { all = append(all, fmt.Sprintf(format, values...)) }
	for _, table := range f.Rewrites {
		say("writes %s anew", table)
	}
	for _, table := range f.Verifies {
		say("reads every row of %s", table)
	}
	for _, index := range f.Builds {
		say("builds %s on %s", index.Index, index.Table)
	}
	for _, key := range f.Validates {
		say("looks up every row for %s", key)
	}
	for _, rows := range f.Rows {
		say("rows of %s: %d inserted, %d updated, %d deleted (on the throw-away database)", rows.Relation, rows.Inserted, rows.Updated, rows.Deleted)
	}
	for _, object := range f.Dropped {
		if object.Renamed != "" {
			say("renames %s %s to %s", object.Kind, object.Name, object.Renamed)
		} else {
			say("drops %s %s", object.Kind, object.Name)
		}
	}
	for _, index := range f.Invalid {
		say("leaves the index %s invalid", index)
	}
	return all
}

// String is the size for people.
func (s Size) String() string {
	return fmt.Sprintf("%s (%s, about %d rows)", s.Relation, amount(s.Bytes), s.Rows)
}

func amount(count int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	value, unit := float64(count), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", count)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

const sizesQuery = `
SELECT c.oid::regclass::text, pg_total_relation_size(c.oid) + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid) WHERE relid <> c.oid), 0)::bigint,
       greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relname = ANY ($1) ORDER BY 1`

// Sizes are those of the relations with one of the names.
func (s *Session) Sizes(ctx context.Context, names []string) ([]Size, error) {
	sizes, err := sqlscan.All(ctx, s, func(size *Size) []any { return []any{&size.Relation, &size.Bytes, &size.Rows} }, sizesQuery, names)
	if err != nil {
		return nil, s.Unreadable(ctx, "pg_class", err)
	}
	return sizes, nil
}

// words are the words of a text, as the catalog would have them for names: whether they are names the catalog tells.
func words(text string) []string {
	seen := map[string]bool{}
	all := []string{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' }) {
		for _, each := range []string{word, strings.ToLower(word)} {
			if !seen[each] {
				seen[each] = true
				all = append(all, each)
			}
		}
	}
	return all
}

const transactionsQuery = `
SELECT pid, coalesce(application_name, ''), coalesce(state, ''), extract(epoch FROM clock_timestamp() - xact_start)::bigint
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '3 seconds' ORDER BY xact_start LIMIT 20`

// openTransactions are those that have lasted longer than a migration waits for a lock.
func (s *Session) openTransactions(ctx context.Context) ([]OpenTransaction, error) {
	all, err := sqlscan.All(ctx, s, func(t *OpenTransaction) []any { return []any{&t.PID, &t.Application, &t.State, &t.Seconds} }, transactionsQuery)
	if err != nil {
		return nil, s.Unreadable(ctx, "pg_stat_activity", err)
	}
	return all, nil
}
