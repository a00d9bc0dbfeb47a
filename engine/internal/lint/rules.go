package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"avion.internal/migrate/internal/locks"
	"avion.internal/migrate/internal/migration"
)

// The engine's own rules: what squawk does not object to.
const (
	OutsideTransaction = "outside-transaction"
	tableRewrite       = "ban-table-rewrite"
	concurrentRefresh  = "require-concurrent-refresh"
	requireWhere       = "require-where"
	oneTable           = "one-table-per-transaction"
	dataApart          = "data-apart-from-schema"
	valueApart         = "enum-value-apart-from-use"
	moneyField         = "ban-money-field"
	preferJSONB        = "prefer-jsonb"
)

var ownRules = []string{
	OutsideTransaction, tableRewrite, concurrentRefresh, requireWhere, oneTable, dataApart, valueApart, moneyField, preferJSONB,
}

const name = `(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`

// later reads an expression when it is needed first: a run that lints nothing does not wait for it.
func later(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// They read statements in the form of Plain.
var (
	rewrites    = later(`(?i)^(?:VACUUM|CLUSTER)\b`)
	rewritesAll = later(`(?i)^(?:CLUSTER|VACUUM FULL|VACUUM \([^)]*\bFULL\b[^)]*\))(?: VERBOSE| ANALYZE| FREEZE| \([^)]*\))*$`)
	refreshes   = later(`(?i)^REFRESH\b`)
	alters      = later(`(?i)^ALTER TABLE\b`)
	changes     = later(`(?i)^(?:UPDATE|DELETE)\b`)
	copies      = later(`(?i)^(?:MERGE\b|INSERT\b.*\bSELECT\b)`)
	where       = later(`(?i)\bWHERE\b`)
	parentheses = later(`\([^()]*\)`)

	columns     = later(`(?i)^(?:CREATE|ALTER) (?:\w+ )*?TABLE\b`)
	columnBegin = later(`(?i)\b(?:ADD|ALTER) (?:COLUMN )?(?:IF NOT EXISTS )?`)
	ofMoney     = later(`(?i)[(,] ?` + name + ` (?:(?:SET DATA )?TYPE )?money\b`)
	ofJSON      = later(`(?i)[(,] ?` + name + ` (?:(?:SET DATA )?TYPE )?json\b`)
)

// These read them as they are written, with their strings.
var (
	newType  = later(`(?is)^CREATE\s+TYPE\s+(` + name + `(?:\s*\.\s*` + name + `)?)`)
	newValue = later(`(?is)^ALTER\s+TYPE\s+(` + name + `(?:\s*\.\s*` + name + `)?)\s+ADD\s+VALUE\s+(?:IF\s+NOT\s+EXISTS\s+)?('(?:[^']|'')*')`)
	typeOnly = later(`(?i)^ALTER\s+TYPE\b`)
)

// reader goes through the statements of a migration from top to bottom.
type reader struct {
	source   migration.Source
	findings []Finding
	// created are the relations and types that nobody else uses yet.
	created map[string]bool
	// altered is the first table of the transaction that ALTER TABLE has locked, and the line where it did.
	altered   string
	alteredAt int
	// changedAt is the line of the last change of rows.
	changedAt int
	// values are those that the transaction has added to enums, with their quotes.
	values []string
}

// judgeAlone is what the engine has against a migration.
func judgeAlone(source migration.Source) []Finding {
	reading := reader{source: source, created: map[string]bool{}}
	for _, statement := range source.Statements {
		for _, single := range statement.Singles() {
			reading.read(single)
		}
	}
	return reading.findings
}

func (r *reader) read(single migration.Statement) {
	text := single.Plain()
	taken := locks.Expect(text, r.created).Locks
	blocks := len(taken) > 0 && taken[0].Mode == locks.AccessExclusive
	switch {
	case rewrites().MatchString(text) && blocks, rewritesAll().MatchString(text):
		r.warn(single, tableRewrite, "Nobody can read or write the table while it is written anew.",
			"Run VACUUM without FULL, or pg_repack outside of the migrations.")
	case refreshes().MatchString(text) && blocks:
		r.warn(single, concurrentRefresh, "Nobody can read the view until it is filled.",
			"Give it a unique index, and use REFRESH MATERIALIZED VIEW CONCURRENTLY.")
	case changes().MatchString(text) && len(taken) > 0 && !where().MatchString(withoutParentheses(text)):
		r.warn(single, requireWhere, "Every row of the table stays locked until all of them are changed.",
			"Work in batches: make it a job for make migrate-backfill.")
	}
	if columns().MatchString(text) {
		each := columnBegin().ReplaceAllString(text, ", ")
		if ofMoney().MatchString(each) {
			r.warn(single, moneyField, "What a value of money means depends on lc_monetary.", "Use numeric.")
		}
		if ofJSON().MatchString(each) {
			r.warn(single, preferJSONB, "Values of json can be neither compared nor indexed.", "Use jsonb.")
		}
	}
	if !r.source.NoTransaction {
		r.readTogether(single, text, len(taken) > 0)
	}
}

// readTogether finds what is wrong because the whole file is one transaction.
func (r *reader) readTogether(single migration.Statement, text string, ofOthers bool) {
	if single.OutsideOnly() {
		r.report(single, "error", OutsideTransaction, "PostgreSQL refuses this statement inside a transaction.",
			"Give it a file of its own that begins with '-- +goose NO TRANSACTION'.")
	}
	r.readEnum(single)
	switch {
	case alters().MatchString(text):
		r.readAlter(single, text)
	case changes().MatchString(text) && ofOthers, copies().MatchString(withoutParentheses(text)):
		if r.altered != "" {
			r.warn(single, dataApart, fmt.Sprintf("The table of line %d stays locked until all rows are done.", r.alteredAt),
				"Change rows in a file of their own.")
		}
		if ofOthers {
			r.changedAt = single.Line
		}
	}
}

func (r *reader) readEnum(single migration.Statement) {
	if parts := newType().FindStringSubmatch(single.Text); parts != nil {
		r.created[locks.Name(parts[1])] = true
	}
	if parts := newValue().FindStringSubmatch(single.Text); parts != nil && !r.created[locks.Name(parts[1])] {
		r.values = append(r.values, parts[2])
	}
	for _, value := range r.values {
		if strings.Contains(single.Text, value) && !typeOnly().MatchString(single.Text) {
			r.report(single, "error", valueApart, "PostgreSQL refuses "+value+" in the transaction that adds it to its type.",
				"Add it in a file of its own.")
		}
	}
}

func (r *reader) readAlter(single migration.Statement, text string) {
	taken := locks.Expect(text, nil).Locks
	if len(taken) == 0 || !taken[0].Mode.StrongerThan(locks.ShareUpdateExclusive) || r.created[locks.Name(taken[0].Relation)] {
		return
	}
	table := locks.Name(taken[0].Relation)
	if r.changedAt > 0 {
		r.warn(single, dataApart, fmt.Sprintf("The rows of line %d stay locked until the table can be altered.", r.changedAt),
			"Change rows in a file of their own.")
	}
	if r.altered == "" {
		r.altered, r.alteredAt = table, single.Line
	}
	if table != r.altered {
		r.warn(single, oneTable, fmt.Sprintf("The table of line %d stays locked until this one can be altered.", r.alteredAt),
			"Alter each table in a file of its own.")
	}
}

func (r *reader) warn(single migration.Statement, rule, message, help string) {
	r.report(single, "warning", rule, message, help)
}

// report keeps a finding, unless the file excuses it as it would one of squawk's.
func (r *reader) report(single migration.Statement, level, rule, message, help string) {
	if !ignored(r.source.Up, single.Line, rule) {
		r.findings = append(r.findings, Finding{
			File: r.source.Path, Line: single.Line, Column: 1, Level: level, Rule: rule, Message: message, Help: help,
		})
	}
}

var ignores = later(`^\s*--\s*squawk-ignore(-file)?\s+([a-z, -]+)`)

// ignored looks for a rule in the comments above a line, and in those for the whole file.
func ignored(content string, statement int, rule string) bool {
	above := false
	for number, line := range strings.Split(content, "\n") {
		if number+1 < statement && !strings.HasPrefix(strings.TrimSpace(line), "--") {
			above = false
		}
		parts := ignores().FindStringSubmatch(line)
		if parts == nil || !slices.Contains(strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' || r == ' ' }), rule) {
			continue
		}
		if parts[1] != "" {
			return true
		}
		above = above || number+1 < statement
	}
	return above
}

func withoutParentheses(text string) string {
	for parentheses().MatchString(text) {
		text = parentheses().ReplaceAllString(text, "")
	}
	return text
}
