package migration

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// repeatable are the statements that do no harm when they run a second time, because a first attempt failed after them.
var repeatable = []form{
	pattern(`CREATE .*?\bIF NOT EXISTS\b`),
	pattern(`CREATE OR REPLACE\b`),
	pattern(`DROP .*?\bIF EXISTS\b`),
	pattern(`ALTER TYPE .*? ADD VALUE IF NOT EXISTS\b`),
	pattern(`ALTER (?:SYSTEM|DATABASE|ROLE) .*?\b(?:SET|RESET)\b`),
	pattern(`ALTER .*? OWNER TO\b[^,]*$`),
	pattern(`INSERT INTO .* ON CONFLICT\b`),
	pattern(`REINDEX\b`),
	pattern(`REFRESH MATERIALIZED VIEW\b`),
	pattern(`(?:COMMENT ON|GRANT|REVOKE|ANALYZE|VACUUM|CLUSTER|CHECKPOINT|SELECT|SHOW|SET|RESET|TRUNCATE)\b`),
}

// repeatableActions are the same of what one ALTER TABLE does; it may do several things.
var repeatableActions = []form{
	pattern(`ADD (?:COLUMN )?IF NOT EXISTS\b`),
	pattern(`DROP (?:COLUMN |CONSTRAINT )?IF EXISTS\b`),
	pattern(`VALIDATE CONSTRAINT\b`),
	pattern(`ALTER (?:COLUMN )?` + name + ` (?:(?:SET|DROP) (?:NOT NULL|DEFAULT)|SET (?:STATISTICS|STORAGE|COMPRESSION))\b`),
	pattern(`(?:(?:SET|RESET) ?\(|(?:ENABLE|DISABLE|FORCE|NO FORCE)\b|REPLICA IDENTITY\b|OWNER TO\b)`),
}

const kinds = `((?:MATERIALIZED )?VIEW|(?:UNLOGGED )?TABLE|TYPE|DOMAIN|SEQUENCE|SCHEMA)`

var (
	droppedIndex = pattern(`DROP INDEX (?:CONCURRENTLY )?IF EXISTS ` + qualified + `(?: CASCADE| RESTRICT)?$`)
	createdIndex = pattern(`CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?` + name + ` ON\b`)
	// A trigger or a policy is named within its table.
	droppedOnTable = pattern(`DROP (TRIGGER|POLICY) IF EXISTS ` + name + ` ON ` + qualified + `(?: CASCADE| RESTRICT)?$`)
	createdOnTable = pattern(`CREATE (?:CONSTRAINT )?(TRIGGER|POLICY) ` + name + `(?: .*?)? ON ` + qualified)
	dropped        = pattern(`DROP ` + kinds + ` IF EXISTS ` + qualified + `(?: CASCADE| RESTRICT)?$`)
	created        = pattern(`CREATE ` + kinds + ` ` + qualified)
	// Of a routine with parameters, other ones may bear the same name.
	replacedRoutine = pattern(`CREATE OR REPLACE (FUNCTION|PROCEDURE) ` + qualified + `\s*\(\s*\)`)
	droppedRoutine  = pattern(`DROP (FUNCTION|PROCEDURE) ` + qualified + `(?:\s*\(\s*\))?$`)

	alteredTable      = pattern(`ALTER TABLE (?:IF EXISTS )?(?:ONLY )?` + qualified + `\s*\*? `)
	droppedConstraint = pattern(`DROP CONSTRAINT (IF EXISTS )?` + name)
	addedConstraint   = pattern(`ADD CONSTRAINT ` + name)
	usingIndex        = regexp.MustCompile(`(?i)\bUSING INDEX\b`)
)

// unrepeatable are the statements that could not run again after a failure further down in the file. What goose sends at
// once succeeds or fails at once.
func unrepeatable(statements []Statement) []Statement {
	var found []Statement
	before := earlier{}
	for _, statement := range statements {
		again := true
		for _, text := range statement.Parts() {
			again = before.allows(text) && again
		}
		if !again {
			found = append(found, statement)
		}
	}
	return found
}

// earlier is what a file has dropped, if it was there, or replaced, by the kind and the name of the object.
type earlier map[string]bool

// allows tells whether a statement in the form of Plain could run again, and remembers what it does.
func (e earlier) allows(text string) bool {
	if parts := droppedIndex.FindStringSubmatch(text); parts != nil {
		e["INDEX "+lastName(parts[1])] = true
	} else if parts := droppedOnTable.FindStringSubmatch(text); parts != nil {
		e[object(parts[1], parts[3], parts[2])] = true
	} else if parts := dropped.FindStringSubmatch(text); parts != nil {
		e[object(parts[1], parts[2])] = true
	} else if parts := replacedRoutine.FindStringSubmatch(text); parts != nil {
		e[object(parts[1], parts[2])] = true
	}
	if alteredTable.MatchString(text) {
		return e.allowsActions(text)
	}
	if isRepeatable(text, repeatable) || text == "" {
		return true
	}
	if parts := createdIndex.FindStringSubmatch(text); parts != nil {
		return e["INDEX "+stored(parts[1])]
	}
	if parts := createdOnTable.FindStringSubmatch(text); parts != nil {
		return e[object(parts[1], parts[3], parts[2])]
	}
	for _, each := range []form{created, droppedRoutine} {
		if parts := each.FindStringSubmatch(text); parts != nil {
			return e[object(parts[1], parts[2])]
		}
	}
	return false
}

// allowsActions tells the same of an ALTER TABLE. It may replace a constraint: afterwards there is one to drop again.
func (e earlier) allowsActions(text string) bool {
	head := alteredTable.FindStringSubmatch(text)
	actions := Split(text[len(head[0]):], ',')
	gone, added := map[string]bool{}, map[string]bool{}
	for _, action := range actions {
		if parts := droppedConstraint.FindStringSubmatch(action); parts != nil {
			gone[object("CONSTRAINT", head[1], parts[2])] = true
			if parts[1] != "" {
				e[object("CONSTRAINT", head[1], parts[2])] = true
			}
		} else if parts := addedConstraint.FindStringSubmatch(action); parts != nil {
			// The index of USING INDEX goes with the constraint that it became.
			added[object("CONSTRAINT", head[1], parts[1])] = !usingIndex.MatchString(action)
		}
	}
	for _, action := range actions {
		again := isRepeatable(action, repeatableActions)
		if parts := droppedConstraint.FindStringSubmatch(action); parts != nil {
			again = again || added[object("CONSTRAINT", head[1], parts[2])]
		} else if parts := addedConstraint.FindStringSubmatch(action); parts != nil {
			constraint := object("CONSTRAINT", head[1], parts[1])
			again = gone[constraint] && added[constraint] || e[constraint]
		}
		if !again {
			return false
		}
	}
	return true
}

// object is a key for an object, whether its schema is written or not.
func object(kind string, names ...string) string {
	key := strings.TrimPrefix(strings.ToUpper(kind), "UNLOGGED ")
	for _, written := range names {
		key += " " + lastName(written)
	}
	return key
}

func isRepeatable(text string, forms []form) bool {
	return slices.ContainsFunc(forms, func(each form) bool { return each.MatchString(text) })
}

var anyName = regexp.MustCompile(name)

func lastName(written string) string {
	parts := anyName.FindAllString(written, -1)
	return stored(parts[len(parts)-1])
}

// checkNoTransaction refuses a section that could not be run again after it failed in the middle: nothing undoes what
// ran before the failure.
func (d Directory) checkNoTransaction(m Migration, statements []Statement) error {
	file := filepath.Join(d.Path, m.File)
	for _, statement := range statements {
		if index, found := statement.concurrentIndex(); found && index.Name == "" {
			return failure.Refused("%s line %d builds an index without a name: give it one (CREATE INDEX CONCURRENTLY name ON …), "+
				"so that what a failure leaves of it can be found", file, statement.Line)
		}
	}
	once := unrepeatable(statements)
	if len(once) < 2 {
		return nil
	}
	lines := make([]string, len(once))
	for position, statement := range once {
		lines[position] = fmt.Sprint(statement.Line)
	}
	return failure.Refused("%s runs without a transaction and holds %d statements that cannot be repeated (lines %s), so after a failure "+
		"nobody could run it again: move all but one to files of their own, or make them repeatable (IF NOT EXISTS, OR REPLACE, "+
		"DROP … IF EXISTS before CREATE)", file, len(once), strings.Join(lines, ", "))
}

// Concurrent statements wait for other sessions without making anybody wait behind them.
var concurrent = []form{
	anyConcurrentIndex,
	pattern(`DROP INDEX CONCURRENTLY\b`),
	pattern(`REINDEX (?:\([^)]*\) )?(?:INDEX|TABLE|SCHEMA|DATABASE|SYSTEM) CONCURRENTLY\b`),
	pattern(`(?:ANALYZE|SET|RESET|SHOW)\b`),
}

// WaitsForOthersOnly tells whether nothing in a section can make readers or writers queue behind it while it waits.
func WaitsForOthersOnly(statements []Statement) bool {
	for _, statement := range statements {
		if !isConcurrent(statement.Plain()) {
			return false
		}
	}
	return true
}

func isConcurrent(text string) bool {
	for _, each := range concurrent {
		if each.MatchString(text) {
			return true
		}
	}
	return text == ""
}
