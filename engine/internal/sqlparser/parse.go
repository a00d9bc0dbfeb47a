// Package sqlparser reads SQL with PostgreSQL's own parser. It is for the developer's program: the one that operates links
// no parser.
//
// May import: migration.
package sqlparser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"avion.internal/migrate/internal/migration"
)

// Statement is one statement of a text.
type Statement struct {
	// Kind is the node of PostgreSQL's grammar, as in AlterTableStmt.
	Kind string
	Node Node
	// Offset is where in the text the first word is, in bytes; Text goes as far as the semicolon.
	Offset int
	Text   string
}

// Tree is the statement below the node that says which kind it is.
func (s Statement) Tree() Node { return Node{s.Kind: map[string]any(s.Node)} }

// SyntaxError is what the parser has against a text.
type SyntaxError struct {
	Message string
	// Position counts characters from 1; 0 where the parser does not know it.
	Position int
}

func (e *SyntaxError) Error() string { return e.Message }

// Parse reads a text of any number of statements. An error is a *SyntaxError, or says why there is no parser.
func Parse(text string) ([]Statement, error) {
	parser, err := loaded()
	if err != nil {
		return nil, fmt.Errorf("the parser of PostgreSQL cannot be loaded: %w", err)
	}
	answer, err := parser.parse(text, tree)
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Statements []struct {
			Node     Node `json:"stmt"`
			Location int  `json:"stmt_location"`
			Length   int  `json:"stmt_len"`
		} `json:"stmts"`
	}
	if err := json.Unmarshal(answer, &parsed); err != nil {
		return nil, err
	}
	var statements []Statement
	for _, each := range parsed.Statements {
		kind, node := each.Node.only()
		end := len(text)
		if each.Length > 0 {
			end = each.Location + each.Length
		}
		offset := each.Location + blank(text[each.Location:end])
		statements = append(statements, Statement{kind, node, offset, text[offset:end]})
	}
	return statements, nil
}

// blank is the length of the white space and the comments that a text begins with.
func blank(text string) int {
	position := 0
	for position < len(text) {
		rest := text[position:]
		switch {
		case strings.ContainsRune(" \t\r\n\f\v;", rune(rest[0])):
			position++
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return len(text)
			}
			position += end + 1
		case strings.HasPrefix(rest, "/*"):
			position += migration.CommentLength(rest)
		default:
			return position
		}
	}
	return position
}

// Embedded is a piece of SQL inside the body of a function or a DO block.
type Embedded struct {
	// Line counts from 1, from the line on which the statement around it begins.
	Line int
	SQL  string
}

// Body returns the SQL inside the PL/pgSQL of a CREATE FUNCTION, CREATE PROCEDURE or DO statement: what it says as it
// stands, and what EXECUTE is given as one string. What is put together at run time is not among it; complete tells that
// nothing is.
func Body(statement Statement) (embedded []Embedded, complete bool, err error) {
	body, offset, language := statement.body()
	if language == "sql" && body != "" {
		parsed, err := Parse(body)
		for _, each := range parsed {
			embedded = append(embedded, Embedded{1 + strings.Count(statement.Text[:offset]+body[:each.Offset], "\n"), each.Text})
		}
		return embedded, err == nil, err
	}
	if language != "plpgsql" {
		return nil, statement.Kind != "DoStmt" && body == "", nil
	}
	parser, err := loaded()
	if err != nil {
		return nil, false, err
	}
	answer, err := parser.parse(statement.Text, bodies)
	if err != nil {
		return nil, false, err
	}
	var functions any
	if err := json.Unmarshal(answer, &functions); err != nil {
		return nil, false, err
	}
	complete = true
	before := strings.Count(statement.Text[:offset], "\n")
	var walk func(value any)
	add := func(line float64, expression Node, dynamic bool) {
		text := expression.Child("PLpgSQL_expr").Text("query")
		if dynamic {
			constant, ok := constantText(text)
			if !ok {
				complete = false
				return
			}
			text = constant
		}
		embedded = append(embedded, Embedded{before + int(line), text})
	}
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, each := range value {
				walk(each)
			}
		case map[string]any:
			for kind, each := range value {
				node, _ := each.(map[string]any)
				line, _ := node["lineno"].(float64)
				switch kind {
				case "PLpgSQL_stmt_execsql":
					add(line, Node(node).Child("sqlstmt"), false)
				case "PLpgSQL_stmt_perform", "PLpgSQL_stmt_call":
					add(line, Node(node).Child("expr"), false)
				case "PLpgSQL_stmt_fors", "PLpgSQL_stmt_return_query":
					if query := Node(node).Child("query"); query != nil {
						add(line, query, false)
					}
				case "PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors":
					add(line, Node(node).Child("query"), true)
				}
				walk(each)
			}
		}
	}
	walk(functions)
	return embedded, complete, nil
}

// HandlesErrors tells that the PL/pgSQL of a statement has an EXCEPTION block, which rolls back, and so lets go of locks.
func HandlesErrors(statement Statement) bool {
	parser, err := loaded()
	if err != nil {
		return false
	}
	answer, err := parser.parse(statement.Text, bodies)
	return err == nil && bytes.Contains(answer, []byte(`"PLpgSQL_exception_block"`))
}

// constantText is the value of an expression that is one string.
func constantText(expression string) (string, bool) {
	parsed, err := Parse("SELECT " + strings.TrimPrefix(expression, "SELECT "))
	if err != nil || len(parsed) != 1 {
		return "", false
	}
	targets := parsed[0].Node.List("targetList")
	if len(targets) != 1 {
		return "", false
	}
	value := targets[0].Child("ResTarget").Child("val").Child("A_Const").Child("sval")
	if value == nil {
		return "", false
	}
	return value.Text("sval"), true
}

// body is the text between the quotes, where in the statement it begins, and its language.
func (s Statement) body() (body string, offset int, language string) {
	arguments := s.Node.List("options")
	if s.Kind == "DoStmt" {
		arguments, language = s.Node.List("args"), "plpgsql"
	}
	for _, argument := range arguments {
		option := argument.Child("DefElem")
		switch option.Text("defname") {
		case "language":
			language = strings.ToLower(option.Child("arg").Child("String").Text("sval"))
		case "as":
			body = option.Child("arg").Child("String").Text("sval")
			if items := option.Child("arg").Child("List").List("items"); len(items) > 0 {
				body = items[0].Child("String").Text("sval")
			}
		}
	}
	if offset = strings.Index(s.Text, body); offset < 0 {
		offset = 0
	}
	return body, offset, language
}
