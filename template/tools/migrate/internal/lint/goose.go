package lint

import (
	"regexp"
	"strings"

	"migrate/internal/migration"
)

var (
	createsConcurrently = regexp.MustCompile(`(?i)^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+("[^"]+"|[\w.]+)`)
	leadingComments     = regexp.MustCompile(`^(?:\s+|--[^\n]*\n|/\*(?s:.*?)\*/)+`)
)

// OutsideTransaction is the engine's own rule: squawk does not object where the statement is the only one of its file.
const OutsideTransaction = "outside-transaction"

// judge knows what squawk cannot: which statements goose runs in a transaction, and that a file which drops an index
// before it creates it can be run again. IF NOT EXISTS, which squawk asks for there, would keep an invalid index.
func judge(source migration.Source, reported []Finding) []Finding {
	var findings []Finding
	for _, finding := range reported {
		if finding.Rule != "prefer-robust-stmts" || !dropsBefore(source, finding.Line) {
			findings = append(findings, finding)
		}
	}
	if source.NoTransaction {
		return findings
	}
	for _, statement := range source.Statements {
		if statement.OutsideOnly() {
			_, line := withoutComments(statement)
			findings = append(findings, Finding{
				File: source.Path, Line: line, Column: 1, Level: "error", Rule: OutsideTransaction,
				Message: "PostgreSQL refuses this statement inside a transaction.",
				Help:    "Give it a file of its own that begins with '-- +goose NO TRANSACTION'.",
			})
		}
	}
	return findings
}

// dropsBefore tells whether the index that is created on a line is dropped, if it is there, earlier in the file.
func dropsBefore(source migration.Source, line int) bool {
	dropped := map[string]bool{}
	for _, statement := range source.Statements {
		sql, first := withoutComments(statement)
		if created := createsConcurrently.FindStringSubmatch(sql); created != nil && first == line {
			return dropped[strings.ToLower(created[1])]
		}
		words := strings.Fields(strings.ToLower(strings.TrimSuffix(sql, ";")))
		if len(words) == 6 && strings.Join(words[:5], " ") == "drop index concurrently if exists" {
			dropped[words[5]] = true
		}
	}
	return false
}

// withoutComments is a statement's SQL and the line that it begins on.
func withoutComments(statement migration.Statement) (string, int) {
	comments := leadingComments.FindString(statement.Text)
	return statement.Text[len(comments):], statement.Line + strings.Count(comments, "\n")
}
