package migration

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"avion.internal/migrate/internal/failure"
)

// largestFile keeps a run below the memory of its pod (256 MiB): a file of this size takes about a dozen times as much, because
// goose and the driver hold it in several forms.
const largestFile = 8 << 20

// checkText refuses what is no text that goose and PostgreSQL could read, and says what it is.
func checkText(file string, content []byte) error {
	place := func(line int, format string, values ...any) error {
		return failure.RefusedAt(file, line, format, values...)
	}
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return place(1, "begins as UTF-16 does: save the file as UTF-8 without a byte order mark")
	case bytes.HasPrefix(content, []byte("\xef\xbb\xbf")):
		return place(1, "begins with a byte order mark, which goose takes for SQL: save the file as UTF-8 without one")
	case !utf8.Valid(content):
		encoding, convert := "", "save the file as UTF-8"
		if name := legacyEncoding(content); name != "" {
			encoding = ", and reads as " + name
			convert = fmt.Sprintf("save the file as UTF-8 (iconv -f %s -t UTF-8)", name)
		}
		return place(firstInvalid(content), "is not UTF-8%s: %s", encoding, convert)
	}
	if before, _, ok := bytes.Cut(content, []byte{0}); ok {
		return place(1+bytes.Count(before, []byte("\n")), "holds a NUL character, which PostgreSQL takes in no text: remove it, or save the file as UTF-8")
	}
	if bytes.ContainsRune(content, '\r') && !bytes.ContainsRune(content, '\n') {
		return place(1, "is the only one, because the lines end in a carriage return alone: save the file with line feeds")
	}
	for number, line := range bytes.Split(content, []byte("\n")) {
		for _, mark := range []string{"<<<<<<< ", ">>>>>>> "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				return place(number+1, "is the mark of a conflict that nobody has resolved: resolve it")
			}
		}
	}
	return nil
}

// firstInvalid is the first line that is not UTF-8.
func firstInvalid(content []byte) int {
	for number, line := range bytes.Split(content, []byte("\n")) {
		if !utf8.Valid(line) {
			return number + 1
		}
	}
	return 1
}

// legacyEncoding tells which of the Japanese encodings every byte of a text fits, as iconv names it. What fits both is EUC-JP:
// in Shift_JIS it would be half-width kana throughout.
func legacyEncoding(content []byte) string {
	between := func(b, from, to byte) bool { return from <= b && b <= to }
	eucJP := func(lead, trail byte) int {
		if (between(lead, 0xa1, 0xfe) || lead == 0x8e) && between(trail, 0xa1, 0xfe) {
			return 2
		}
		return 0
	}
	shiftJIS := func(lead, trail byte) int {
		switch {
		case (between(lead, 0x81, 0x9f) || between(lead, 0xe0, 0xfc)) && (between(trail, 0x40, 0x7e) || between(trail, 0x80, 0xfc)):
			return 2
		case between(lead, 0xa1, 0xdf):
			return 1
		}
		return 0
	}
	for _, each := range []struct {
		name   string
		length func(lead, trail byte) int
	}{{"EUC-JP", eucJP}, {"SHIFT_JIS", shiftJIS}} {
		if fits(content, each.length) {
			return each.name
		}
	}
	return ""
}

func fits(content []byte, length func(lead, trail byte) int) bool {
	for position := 0; position < len(content); {
		if content[position] < utf8.RuneSelf {
			position++
			continue
		}
		trail := byte(0)
		if position+1 < len(content) {
			trail = content[position+1]
		}
		taken := length(content[position], trail)
		if taken == 0 {
			return false
		}
		position += taken
	}
	return true
}

// psql's own commands begin with a backslash; the server knows none of them.
func isPsql(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), `\`) }

const psqlCommand = "is a command of psql, which the server does not know: remove it (pg_dump writes \\restrict and \\connect for psql)"

// checkForm refuses a statement whose form nothing but goose, psql or a dump could make sense of.
func checkForm(file string, statement Statement) error {
	place := func(format string, values ...any) error {
		return failure.RefusedAt(file, statement.Line, format, values...)
	}
	if isPsql(statement.Text) {
		return place(psqlCommand)
	}
	if open := stillOpen(statement.Text); open != "" {
		return place("begins a statement that goose ends at its first semicolon, inside of %s: write '-- +goose StatementBegin' before it and "+
			"'-- +goose StatementEnd' after it", open)
	}
	plain := strings.ToUpper(statement.Plain())
	_, body, _ := strings.Cut(plain, "BEGIN ATOMIC")
	switch {
	case plain == "":
		return place("holds no SQL: remove the lone semicolon")
	case atomicBody.MatchString(plain) && !strings.Contains(body, " END"):
		return place("begins a statement that goose ends at its first semicolon, inside of BEGIN ATOMIC: write '-- +goose StatementBegin' before it and " +
			"'-- +goose StatementEnd' after it")
	case copiesIn.MatchString(plain):
		return place(rowsOfPsql)
	case strings.HasPrefix(plain, "COPY ") && strings.Contains(plain, " TO STDOUT"):
		return place("writes rows to the connection (COPY … TO stdout), where nobody reads them: remove it")
	case parameter.MatchString(plain) && !takesParameters.MatchString(plain):
		return place("holds a parameter ($1) that nobody gives a value: write the value itself")
	case severalIndexes.MatchString(plain):
		return place("drops several indexes, or what depends on one, which CONCURRENTLY cannot: drop each by itself, without CASCADE")
	}
	return nil
}

const rowsOfPsql = "reads rows from the connection (COPY … FROM stdin), which a migration cannot send: write them as INSERT (pg_dump --inserts), or load them with psql"

var (
	copiesIn        = pattern(`COPY\b.* FROM STDIN\b`)
	parameter       = regexp.MustCompile(`(?:^|[^\p{L}\p{N}_$])\$\d`)
	takesParameters = pattern(`(?:CREATE|PREPARE)\b`)
	severalIndexes  = pattern(`DROP INDEX CONCURRENTLY\b.*(?:,|\bCASCADE$)`)
)

// stillOpen is what a statement ends inside of: a body between dollars, a string, a quoted name or a comment; empty if it is
// complete.
func stillOpen(text string) string {
	for position := 0; position < len(text); {
		rest := text[position:]
		length, _ := token(rest, text[max(0, position-utf8.UTFMax):position])
		if length == len(rest) && length > 1 {
			return openToken(rest)
		}
		position += length
	}
	return ""
}

// openToken is what the last token of a text lacks its end of.
func openToken(text string) string {
	switch {
	case strings.HasPrefix(text, "/*"):
		if strings.Count(text, "/*") > strings.Count(text, "*/") {
			return "a comment (/*)"
		}
	case text[0] == '$':
		if tag := dollarTag.FindString(text); len(text) < 2*len(tag) || !strings.HasSuffix(text, tag) {
			return "a body (" + tag + ")"
		}
	case text[0] == '"':
		if !closed(text, '"', false) {
			return `a name (")`
		}
	case text[0] == '\'':
		if !closed(text, '\'', false) {
			return "a string (')"
		}
	case text[0] == 'e' || text[0] == 'E':
		if !closed(text[1:], '\'', true) {
			return "a string (')"
		}
	}
	return ""
}

// closed tells whether a quoted text that is known to reach the end also ends there.
func closed(text string, quote byte, backslash bool) bool {
	return len(text) > 1 && quotedLength(text+" ", quote, backslash) == len(text) && text[len(text)-1] == quote
}
