package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

// Kind is what a variable's value has to be.
type Kind string

// The kinds.
const (
	Table       Kind = "table"       // a table, with its schema where that is not on the search path
	Identifier  Kind = "identifier"  // a column, an index, a constraint …
	Identifiers Kind = "identifiers" // several of them, with commas between
	Expression  Kind = "expression"  // SQL that stands between parentheses
	Type        Kind = "type"        // a data type
	Number      Kind = "number"      // a whole number above zero
	Limit       Kind = "limit"       // a time as in '-- migrate:'
	Days        Kind = "days"        // a time in days, as in 400d
	Flag        Kind = "flag"        // yes or no; no is empty in a template
	Text        Kind = "text"        // anything on one line; .Literal in SQL
)

var (
	plainType = regexp.MustCompile(`^[a-z_][a-z0-9_]*(?:[ .][a-z_][a-z0-9_]*)*(?:\([0-9]+(?:, ?[0-9]+)?\))?(?: [a-z ]+)?(?:\[\])?$`)
	forms     = map[Kind]*regexp.Regexp{
		Number: regexp.MustCompile(`^[1-9][0-9]{0,8}$`),
		Limit:  regexp.MustCompile(`^[1-9][0-9]{0,7}(?:ms|s|min|h)$`),
		Days:   regexp.MustCompile(`^[1-9][0-9]{0,5}d$`),
		Flag:   regexp.MustCompile(`^(?:yes|no)$`),
		Text:   regexp.MustCompile(`^[^\x00-\x1f\x7f\x{85}\x{2028}\x{2029}]*$`),
	}
	rules = map[Kind]string{
		Table:       "a table is written in lower-case letters, digits and _, with its schema if need be, as in app.posts",
		Identifier:  "a name is written in lower-case letters, digits and _, in at most 63 of them",
		Identifiers: "names are written in lower-case letters, digits and _, with commas between them",
		Expression:  "it is one line of SQL with its quotes and parentheses closed, without a semicolon, a comment or a $-quote",
		Type:        "a type is written as in bigint, numeric(10,2) or timestamp with time zone",
		Number:      "it is a whole number above 0",
		Limit:       "it is a whole number with its unit ms, s, min or h, as in 30min",
		Days:        "it is a number of days, as in 400d",
		Flag:        "it is yes or no",
		Text:        "it is one line of text",
	}
)

// word is a checked value that is written into SQL as it was typed.
type word string

// Name is the value as a part of an object's name.
func (w word) Name() string { return asName(string(w)) }

// Literal is the value as a string of SQL.
func (w word) Literal() string { return sqltext.Literal(string(w)) }

// name is a checked name, or several, which String writes as SQL wants them: a reserved word between quotes.
type name string

// String is the name in SQL.
func (n name) String() string {
	names := strings.Split(string(n), ", ")
	for position, one := range names {
		parts := strings.Split(one, ".")
		for place, part := range parts {
			if slices.Contains(reserved, part) {
				parts[place] = `"` + part + `"`
			}
		}
		names[position] = strings.Join(parts, ".")
	}
	return strings.Join(names, ", ")
}

// Name is the name without its schema; of several, all in one.
func (n name) Name() string {
	return asName(string(n)[strings.LastIndexByte(string(n), '.')+1:])
}

// Prefix is the schema with its dot, or empty: other objects of the table's schema are named with it.
func (n name) Prefix() string {
	schema, _, qualified := strings.Cut(string(n), ".")
	if !qualified {
		return ""
	}
	return name(schema).String() + "."
}

// List is the names as the header of a job wants them: without blanks.
func (n name) List() string { return strings.ReplaceAll(n.String(), ", ", ",") }

// Between is the condition that limits a job's statement to the rows of a batch.
func (n name) Between() string {
	count := strings.Count(string(n), ",") + 1
	if count == 1 {
		return n.String() + " BETWEEN $1 AND $2"
	}
	ends := make([]string, 2*count)
	for position := range ends {
		ends[position] = "$" + strconv.Itoa(position+1)
	}
	return fmt.Sprintf("(%s) >= (%s) AND (%s) <= (%s)",
		n, strings.Join(ends[:count], ", "), n, strings.Join(ends[count:], ", "))
}

var betweenNames = regexp.MustCompile(`[^a-z0-9]+`)

func asName(text string) string {
	return strings.Trim(betweenNames.ReplaceAllString(strings.ToLower(text), "_"), "_")
}

// accept checks what was typed for a variable and returns it as templates see it.
func (v Variable) accept(typed string) (any, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" && v.Default != nil && *v.Default == "" {
		return word(""), nil
	}
	if len(v.Choices) > 0 && !slices.Contains(v.Choices, typed) {
		return nil, failure.Refused("%s is %q: use one of %s", v.Name, typed, strings.Join(v.Choices, ", "))
	}
	value, sound := v.Kind.read(typed)
	if !sound {
		return nil, failure.Refused("%s is %q: %s", v.Name, typed, rules[v.Kind])
	}
	return value, nil
}

func (k Kind) read(typed string) (value any, sound bool) {
	switch k {
	case Table:
		parts := strings.Split(typed, ".")
		return name(typed), len(parts) <= 2 && !slices.ContainsFunc(parts, isNoName)
	case Identifier:
		return name(typed), !isNoName(typed)
	case Identifiers:
		names := strings.Split(typed, ",")
		for position := range names {
			names[position] = strings.TrimSpace(names[position])
		}
		return name(strings.Join(names, ", ")), !slices.ContainsFunc(names, isNoName)
	case Expression:
		return word(typed), isExpression(typed)
	case Type:
		return word(typed), plainType.MatchString(typed)
	case Flag:
		return word(strings.TrimSuffix(typed, "no")), forms[k].MatchString(typed)
	default:
		form := forms[k]
		return word(typed), typed != "" && form != nil && form.MatchString(typed)
	}
}

func isNoName(typed string) bool { return !sqltext.IsPlainName(typed) }

// isExpression refuses what would end the place that it is written into, or the statement.
func isExpression(typed string) bool {
	if typed == "" || !forms[Text].MatchString(typed) || strings.Contains(typed, "+goose") || strings.Contains(typed, "$$") {
		return false
	}
	depth := 0
	for position := 0; position < len(typed); position++ {
		rest := typed[position:]
		switch rest[0] {
		case '\'', '"':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 || rest[end] == '\\' { // which in E'…' does not end there
				return false
			}
			position += end + 1
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth < 0 {
				return false
			}
		case ';', '$':
			return false
		case '-', '/':
			if strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
				return false
			}
		}
	}
	return depth == 0
}

// reserved are the words that PostgreSQL 15 to 18 take for a name between quotes only, as a table, a column or a function.
var reserved = strings.Fields(`
	all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
	concurrently constraint create cross current_catalog current_date current_role current_schema current_time
	current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
	full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
	localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
	right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
	using variadic verbose when where window with`)
