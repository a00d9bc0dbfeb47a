package lint

import (
	"regexp"

	"migrate/internal/migration"
)

var (
	// An index on a partitioned table cannot be built CONCURRENTLY; ON ONLY, it holds no rows until those of the partitions join.
	onlyParent = regexp.MustCompile(`(?i)^CREATE (?:UNIQUE )?INDEX\b.*? ON ONLY\b`)
	// It has no IF EXISTS.
	detaches = regexp.MustCompile(`(?i)^ALTER TABLE\b.*\bDETACH PARTITION\b.*\bCONCURRENTLY$`)
)

// OutsideTransaction is the engine's own rule: squawk does not object where the statement is the only one of its file.
const OutsideTransaction = "outside-transaction"

// judge knows what squawk cannot: which statements goose runs in a transaction, and which can be run again though they say
// no IF EXISTS, such as SET DEFAULT. Of an index that is dropped before it is created, IF NOT EXISTS would keep an invalid one.
func judge(source migration.Source, reported []Finding) []Finding {
	var findings []Finding
	for _, finding := range reported {
		if !excusable(source, finding) {
			findings = append(findings, finding)
		}
	}
	if source.NoTransaction {
		return findings
	}
	for _, statement := range source.Statements {
		if !statement.OutsideOnly() {
			continue
		}
		for _, single := range statement.Singles() {
			if single.OutsideOnly() {
				findings = append(findings, Finding{
					File: source.Path, Line: single.Line, Column: 1, Level: "error", Rule: OutsideTransaction,
					Message: "PostgreSQL refuses this statement inside a transaction.",
					Help:    "Give it a file of its own that begins with '-- +goose NO TRANSACTION'.",
				})
			}
		}
	}
	return findings
}

// excusable tells whether squawk is wrong about a line.
func excusable(source migration.Source, finding Finding) bool {
	switch finding.Rule {
	case "prefer-robust-stmts":
		return source.Repeatable(finding.Line) || onLine(source, finding.Line, detaches)
	case "require-concurrent-index-creation":
		return onLine(source, finding.Line, onlyParent)
	}
	return false
}

// onLine tells whether every statement on a line has a form.
func onLine(source migration.Source, line int, form *regexp.Regexp) bool {
	found := false
	for _, statement := range source.Statements {
		for _, single := range statement.Singles() {
			if single.Covers(line) {
				if !form.MatchString(single.Plain()) {
					return false
				}
				found = true
			}
		}
	}
	return found
}
