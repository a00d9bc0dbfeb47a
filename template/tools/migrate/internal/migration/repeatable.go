package migration

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"migrate/internal/failure"
)

// repeatable are the statements that do no harm when they run a second time, because a first attempt failed after them.
var repeatable = []*regexp.Regexp{
	pattern(`CREATE .*?\bIF NOT EXISTS\b`),
	pattern(`CREATE OR REPLACE\b`),
	pattern(`DROP .*?\bIF EXISTS\b`),
	pattern(`ALTER TABLE .*?\b(?:ADD COLUMN IF NOT EXISTS|DROP (?:COLUMN|CONSTRAINT) IF EXISTS)\b[^,]*$`),
	pattern(`ALTER TYPE .*? ADD VALUE IF NOT EXISTS\b`),
	pattern(`ALTER TABLE .*? VALIDATE CONSTRAINT\b[^,]*$`),
	pattern(`ALTER TABLE .*? (?:SET|DROP) (?:NOT NULL|DEFAULT)\b[^,]*$`),
	pattern(`ALTER (?:SYSTEM|DATABASE|ROLE) .*?\b(?:SET|RESET)\b`),
	pattern(`INSERT INTO .* ON CONFLICT\b`),
	pattern(`REINDEX\b`),
	pattern(`REFRESH MATERIALIZED VIEW\b`),
	pattern(`(?:COMMENT ON|GRANT|REVOKE|ANALYZE|VACUUM|CLUSTER|CHECKPOINT|SELECT|SHOW|SET|RESET|TRUNCATE)\b`),
}

var (
	droppedIndex      = pattern(`DROP INDEX (?:CONCURRENTLY )?IF EXISTS ` + qualified + `(?: CASCADE| RESTRICT)?$`)
	droppedConstraint = pattern(`ALTER TABLE (?:IF EXISTS )?(?:ONLY )?` + qualified + ` DROP CONSTRAINT IF EXISTS ` + name)
	addedConstraint   = pattern(`ALTER TABLE (?:IF EXISTS )?(?:ONLY )?` + qualified + ` ADD CONSTRAINT ` + name + `[^,]*(?:\([^)]*\)[^,]*)*$`)
	createdIndex      = pattern(`CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?` + name + ` ON\b`)
)

// unrepeatable are the statements that could not run again after a failure further down in the file.
func unrepeatable(statements []Statement) []Statement {
	var found []Statement
	gone := map[string]bool{} // what an earlier statement has dropped, if it was there
	for _, statement := range statements {
		text := statement.Plain()
		switch {
		case text == "":
		case droppedIndex.MatchString(text):
			gone["index "+lastName(droppedIndex.FindStringSubmatch(text)[1])] = true
		case droppedConstraint.MatchString(text):
			parts := droppedConstraint.FindStringSubmatch(text)
			gone["constraint "+stored(parts[len(parts)-1])] = true
		case createdIndex.MatchString(text) && gone["index "+stored(createdIndex.FindStringSubmatch(text)[1])]:
		case addedConstraint.MatchString(text) && gone["constraint "+stored(addedConstraint.FindStringSubmatch(text)[4])]:
		case isRepeatable(text):
		default:
			found = append(found, statement)
		}
	}
	return found
}

func isRepeatable(text string) bool {
	for _, form := range repeatable {
		if form.MatchString(text) {
			return true
		}
	}
	return false
}

func lastName(written string) string {
	parts := regexp.MustCompile(name).FindAllString(written, -1)
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
var concurrent = []*regexp.Regexp{
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
	for _, form := range concurrent {
		if form.MatchString(text) {
			return true
		}
	}
	return text == ""
}
