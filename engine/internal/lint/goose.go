package lint

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/migration"
)

var (
	// An index on a partitioned table cannot be built CONCURRENTLY; ON ONLY, it holds no rows until those of the partitions join.
	onlyParent = regexp.MustCompile(`(?i)^CREATE (?:UNIQUE )?INDEX\b.*? ON ONLY\b`)
	// It has no IF EXISTS.
	detaches = regexp.MustCompile(`(?i)^ALTER TABLE\b.*\bDETACH PARTITION\b.*\bCONCURRENTLY$`)
)

// judge knows what squawk cannot: which statements goose runs in a transaction, and which can be run again though they say
// no IF EXISTS, such as SET DEFAULT. Of an index that is dropped before it is created, IF NOT EXISTS would keep an invalid one.
func judge(source migration.Source, reported []Finding) []Finding {
	var findings []Finding
	for _, finding := range reported {
		if !excusable(source, finding) {
			findings = append(findings, finding)
		}
	}
	findings = append(findings, judgeAlone(source)...)
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return findings
}

// excusable tells whether squawk is wrong about a line.
func excusable(source migration.Source, finding Finding) bool {
	switch finding.Rule {
	case "prefer-robust-stmts":
		return source.Repeatable(finding.Line) || onLine(source, finding.Line, detaches)
	case "require-concurrent-index-creation":
		return onLine(source, finding.Line, onlyParent)
	case "unused-ignore": // it knows its own rules only
		return slices.Contains(ownRules, strings.TrimPrefix(finding.Message, "unknown name "))
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
