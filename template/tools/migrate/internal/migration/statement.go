package migration

import (
	"regexp"
	"strings"
)

// ignored is everything in a statement that cannot be one of its keywords or names: comments and strings.
var ignored = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|E?'(?:[^']|'')*'|\$(\w*)\$.*?\$(\w*)\$`)

// Plain is the statement on one line, without comments and with every string emptied.
func (s Statement) Plain() string {
	text := ignored.ReplaceAllStringFunc(s.Text, func(found string) string {
		if strings.HasPrefix(found, "--") || strings.HasPrefix(found, "/*") {
			return " "
		}
		return "''"
	})
	return strings.Join(strings.Fields(strings.TrimRight(strings.TrimSpace(text), "; \n\t")), " ")
}

const (
	name      = `("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`
	qualified = `((?:` + name + `\s*\.\s*)?` + name + `)`
)

func pattern(text string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)^` + strings.ReplaceAll(text, " ", `\s+`))
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
