// Package trace runs migrations on a throw-away database of a real server, and tells what PostgreSQL did: which relations it
// locked and how strongly, what it wrote anew, read through, built, changed, created and dropped. It never touches the
// database of the service itself.
//
// What it tells is matched by OID, so that it holds for what a DO block, a function, a trigger, a cascade or a foreign key
// does as well. What could not be measured is called so, with the reason.
//
// May import: dropdb, migration, sqlparser, sqlstate, sqltext, tablelock.
package trace

import (
	"time"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/tablelock"
)

// File is a migration, or a file of test data, as goose runs it.
type File struct {
	Name          string
	NoTransaction bool
	Statements    []migration.Statement
}

// Relation is a relation, or what belongs to one: its name as the session writes it, and its OID.
type Relation struct {
	OID  uint32
	Name string
}

// Lock is a lock on a relation that was there before the file began.
type Lock struct {
	Relation
	// Kind is that of the relation, as in pg_class.relkind.
	Kind string
	// Table is the relation that the application knows: the table of an index, of a sequence or of a partition.
	Table Relation
	Mode  tablelock.Mode
	// Since and Until are the lines of the statements that took the lock and with which it ended.
	Since, Until int
	// Held is how long it was held on the throw-away database, which is hardly ever as long as on a full one.
	Held time.Duration
}

// Index is an index that was built, with the rows of its table.
type Index struct{ Name, Table Relation }

// Rows counts the rows that a statement changed in a relation, through whichever trigger or cascade.
type Rows struct {
	Relation
	// Old tells that the relation was there before the file began.
	Old                        bool
	Inserted, Updated, Deleted int64
}

// Object is something in the catalog. Kind is a word of SQL, such as table, column, index, function.
type Object struct {
	Kind, Name string
	// Renamed is the new name of an object that has another one now.
	Renamed string
}

// Statement is one statement of PostgreSQL's grammar: what goose sends at once may hold several.
type Statement struct {
	// Line is that of its first word in the file; Part is its place among the statements that goose sends.
	Line, Part int
	Text       string
	// Unmeasured is why nothing is known, empty if the statement was measured.
	Unmeasured string
	// Unknown is why there may be more than what was measured.
	Unknown string
	// Code is the SQLSTATE with which the server refused the statement.
	Code string

	// Locks are those that the statement took or made stronger; what earlier ones hold stays with them.
	Locks []Lock
	// Rewritten and Verified are tables that were there before, written anew or read from end to end.
	Rewritten, Verified []Relation
	// Built are indexes of tables that were there before.
	Built []Index
	// Validated are the foreign keys whose rows were looked up.
	Validated []string
	Rows      []Rows
	// Scanned are the tables that were there before and that the statement read, as far as it had rows to look for.
	Scanned []Relation
	// Created did not exist before the statement, Dropped existed before the file and is gone or has another name now.
	Created, Dropped []Object
	// Invalid are the indexes that cannot be used.
	Invalid []string
	Took    time.Duration
}

// Migration is what was measured of one file.
type Migration struct {
	File       string
	Statements []Statement
}

// Measured tells that the statement ran.
func (s Statement) Measured() bool { return s.Unmeasured == "" }
