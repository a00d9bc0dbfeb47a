package migration

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"avion.internal/migrate/internal/sqltext"
)

// Plain is the statement on one line, without comments and with every string emptied: what is left are its keywords and
// names.
func (s Statement) Plain() string {
	var plain strings.Builder
	text := s.Text
	for position := 0; position < len(text); {
		length, instead := token(text[position:], text[max(0, position-utf8.UTFMax):position])
		plain.WriteString(instead)
		position += length
	}
	return strings.Join(strings.Fields(strings.TrimRight(strings.TrimSpace(plain.String()), "; \n\t")), " ")
}

var (
	wordEnd   = regexp.MustCompile(`[\p{L}\p{N}_$]$`)
	dollarTag = regexp.MustCompile(`^\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$`)
)

// token is the length of what a text begins with, and what stands for it. What comes before tells a string from the end
// of a name.
func token(text, before string) (int, string) {
	switch {
	case strings.HasPrefix(text, "--"):
		return until(text, "\n", 2), " "
	case strings.HasPrefix(text, "/*"):
		return CommentLength(text), " "
	case text[0] == '\'':
		return quotedLength(text, '\'', false), "''"
	case len(text) > 1 && (text[0] == 'e' || text[0] == 'E') && text[1] == '\'' && !wordEnd.MatchString(before):
		return 1 + quotedLength(text[1:], '\'', true), "''"
	case text[0] == '"':
		length := quotedLength(text, '"', false)
		return length, text[:length]
	case text[0] == '$' && !wordEnd.MatchString(before):
		if tag := dollarTag.FindString(text); tag != "" {
			return until(text, tag, len(tag)), "''"
		}
	}
	return 1, text[:1]
}

// until is the length up to the end of a word that is looked for from an offset, or of everything.
func until(text, word string, from int) int {
	if position := strings.Index(text[from:], word); position >= 0 {
		return from + position + len(word)
	}
	return len(text)
}

// CommentLength is how many bytes the block comment at the beginning of a text takes: they nest, as PostgreSQL has it.
func CommentLength(text string) int {
	depth := 0
	for position := 0; position+1 < len(text); position++ {
		switch text[position : position+2] {
		case "/*":
			depth++
			position++
		case "*/":
			depth--
			position++
			if depth == 0 {
				return position + 1
			}
		}
	}
	return len(text)
}

// quotedLength is the length of a string or a quoted name; a doubled quote does not end it.
func quotedLength(text string, quote byte, backslash bool) int {
	for position := 1; position < len(text); position++ {
		switch {
		case backslash && text[position] == '\\':
			position++
		case text[position] != quote:
		case position+1 < len(text) && text[position+1] == quote:
			position++
		default:
			return position + 1
		}
	}
	return len(text)
}

// Parts are the statements in what goose sends at once, in the form of Plain: several where a block holds several.
func (s Statement) Parts() []string {
	text := s.Plain()
	if atomicBody.MatchString(text) {
		return []string{text}
	}
	return Split(text, ';')
}

// Covers tells whether the statement, or a part of it, stands on a line.
func (s Statement) Covers(line int) bool {
	return s.Line <= line && line <= s.Line+strings.Count(s.Text, "\n")
}

// Singles are the statements in what goose sends at once, each with the line that it begins on, without comments before it.
func (s Statement) Singles() []Statement {
	if atomicBody.MatchString(s.Plain()) {
		return []Statement{s}
	}
	var singles []Statement
	depth, begin, line, first := 0, -1, s.Line, 0
	for position := 0; position < len(s.Text); {
		length, instead := token(s.Text[position:], s.Text[max(0, position-utf8.UTFMax):position])
		piece := s.Text[position : position+length]
		switch {
		case piece == ";" && depth == 0:
			if begin >= 0 {
				singles = append(singles, Statement{Line: first, Text: s.Text[begin:position]})
			}
			begin = -1
		case begin < 0 && strings.TrimSpace(instead) != "":
			begin, first = position, line
		}
		switch piece {
		case "(":
			depth++
		case ")":
			depth--
		}
		line += strings.Count(piece, "\n")
		position += length
	}
	if begin >= 0 {
		singles = append(singles, Statement{Line: first, Text: s.Text[begin:]})
	}
	return singles
}

// Split cuts a statement in the form of Plain at a separator outside parentheses.
func Split(text string, separator rune) []string {
	var parts []string
	depth, quoted, start := 0, false, 0
	for position, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == separator && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:position]))
			start = position + 1
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}

const (
	name      = `(` + sqltext.Written + `)`
	qualified = `((?:` + name + `\s*\.\s*)?` + name + `)`
)

// form is how the statements of a kind are written. It is read when it is needed first: most runs look at none so closely.
type form struct{ read func() *regexp.Regexp }

func pattern(text string) form {
	return form{sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?is)^` + strings.ReplaceAll(text, " ", `\s+`))
	})}
}

// MatchString tells whether a statement is written so.
func (f form) MatchString(text string) bool { return f.read().MatchString(text) }

// FindStringSubmatch are the names in a statement that is written so.
func (f form) FindStringSubmatch(text string) []string { return f.read().FindStringSubmatch(text) }

var (
	// A function's body may be statements instead of a string.
	atomicBody  = pattern(`CREATE\b.*\bBEGIN ATOMIC\b`)
	outsideOnly = pattern(`(?:(?:CREATE (?:UNIQUE )?INDEX|DROP INDEX|REINDEX\b.*?) \(?CONCURRENTLY\b|` +
		`ALTER TABLE\b.*\bDETACH PARTITION\b.*\bCONCURRENTLY\b|VACUUM\b|REINDEX (?:\([^)]*\) )?(?:SCHEMA|DATABASE|SYSTEM)\b|CLUSTER(?: VERBOSE| \([^)]*\))?$|` +
		`(?:CREATE|DROP) SUBSCRIPTION\b|ALTER SUBSCRIPTION\b.*\bREFRESH PUBLICATION\b|ALTER DATABASE\b.*\bSET TABLESPACE\b|(?:CREATE|DROP) (?:DATABASE|TABLESPACE)\b|ALTER SYSTEM\b|DISCARD ALL\b)`)
	controlsTransaction = pattern(`(?:BEGIN|START TRANSACTION|COMMIT|END|ABORT|ROLLBACK|PREPARE TRANSACTION)\b`)
	toSavepoint         = pattern(`ROLLBACK (?:WORK |TRANSACTION )?TO\b`)
)

// Without one of these words a statement is neither of the two below: most need no closer look, which takes its time.
var outsideWords = []string{"CONCURRENTLY", "VACUUM", "DATABASE", "TABLESPACE", "SYSTEM", "DISCARD", "REINDEX", "CLUSTER", "SUBSCRIPTION"}
var controlWords = []string{"BEGIN", "START", "COMMIT", "END", "ABORT", "ROLLBACK", "PREPARE"}

func (s Statement) mentions(words []string) bool {
	text := strings.ToUpper(s.Text)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// OutsideOnly tells that PostgreSQL refuses the statement inside a transaction.
func (s Statement) OutsideOnly() bool {
	return s.mentions(outsideWords) && slices.ContainsFunc(s.Parts(), outsideOnly.MatchString)
}

// ControlsTransaction tells that the statement begins or ends a transaction by itself.
func (s Statement) ControlsTransaction() bool {
	return s.mentions(controlWords) && slices.ContainsFunc(s.Parts(), func(text string) bool {
		return controlsTransaction.MatchString(text) && !toSavepoint.MatchString(text)
	})
}

// Index is an index that a statement builds without blocking writes: when it fails, an INVALID index stays.
type Index struct {
	Name string // as it is stored, without quotes
	// Table is how the statement names the table.
	Table string
}

var (
	anyConcurrentIndex   = pattern(`CREATE (?:UNIQUE )?INDEX CONCURRENTLY\b`)
	namedConcurrentIndex = pattern(`CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?` + name + ` ON (?:ONLY )?` + qualified)
	onKeyword            = pattern(`CREATE (?:UNIQUE )?INDEX CONCURRENTLY ON\b`)
)

// concurrentIndex tells which index the statement builds CONCURRENTLY, and whether it builds one at all.
func (s Statement) concurrentIndex() (Index, bool) {
	text := s.Plain()
	if !anyConcurrentIndex.MatchString(text) {
		return Index{}, false
	}
	parts := namedConcurrentIndex.FindStringSubmatch(text)
	if parts == nil || onKeyword.MatchString(text) {
		return Index{}, true
	}
	return Index{Name: stored(parts[1]), Table: parts[2]}, true
}

// stored is a name as the catalog has it.
func stored(written string) string {
	if strings.HasPrefix(written, `"`) {
		return strings.ReplaceAll(strings.Trim(written, `"`), `""`, `"`)
	}
	return strings.ToLower(written)
}

// ConcurrentIndexes are the indexes that statements build CONCURRENTLY.
func ConcurrentIndexes(statements []Statement) []Index {
	var indexes []Index
	for _, statement := range statements {
		if index, found := statement.concurrentIndex(); found && index.Name != "" {
			indexes = append(indexes, index)
		}
	}
	return indexes
}
