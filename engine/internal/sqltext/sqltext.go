// Package sqltext writes names and strings into SQL, and tells which texts are names. It reads no statement.
//
// May import: nothing of this module.
package sqltext

import (
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// LongestName is how many bytes PostgreSQL keeps of a name.
const LongestName = 63

// Written is the grammar of a name in a statement: between quotes, or without them and then folded to lower case by the server.
const Written = `(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`

// plain is the grammar of a name that is the same between quotes and without them.
const plain = `[a-z_][a-z0-9_]{0,62}`

var (
	plainName  = whole(plain)
	plainTable = whole(plain + `(?:\.` + plain + `)?`)
	anyName    = whole(Written)
	anyTable   = whole(`(?:` + Written + `\.)?` + Written)
)

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) }

// IsPlainName tells whether a text is a name in lower-case letters, digits and _.
func IsPlainName(text string) bool { return plainName.MatchString(text) }

// IsPlainTable is IsPlainName for a table, with its schema or without.
func IsPlainTable(text string) bool { return plainTable.MatchString(text) }

// IsName tells whether a text is a name as a statement may write it, of a column for example.
func IsName(text string) bool { return anyName.MatchString(text) }

// IsTable is IsName for a table, with its schema or without.
func IsTable(text string) bool { return anyTable.MatchString(text) }

// Name writes a name, of a schema and what is in it for example, whatever characters it has.
func Name(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// Beginning is the beginning of a name that is made from another one. It leaves room for an end of so many bytes, which the server
// would cut off without a word.
func Beginning(of, middle string, end int) string {
	return of[:min(len(of), LongestName-len(middle)-end)] + middle
}

// Literal writes a string.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
