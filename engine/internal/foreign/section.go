package foreign

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/trace"
)

// section is what a migration does in one direction; file is empty where it says nothing about it.
type section struct {
	file string
	line int // of the first line of sql
	sql  string
	// alone tells that the tool was told to open no transaction.
	alone bool
}

var dbmateLine = regexp.MustCompile(`(?m)^--\s*migrate:(up|down)((?:[ \t]+\S+)*)[ \t]*$`)

// splitDbmate separates the sections as dbmate does.
func splitDbmate(file, content string) (up, down section, err error) {
	marks := dbmateLine.FindAllStringSubmatchIndex(content, -1)
	for position, mark := range marks {
		end := len(content)
		if position+1 < len(marks) {
			end = marks[position+1][0]
		}
		begin := min(mark[1]+1, end)
		read := section{file: file, line: 1 + strings.Count(content[:begin], "\n"), sql: content[begin:end],
			alone: strings.Contains(content[mark[4]:mark[5]], "transaction:false")}
		into := &up
		if content[mark[2]:mark[3]] == "down" {
			into = &down
		}
		if into.file != "" {
			return up, down, failure.RefusedAt(file, read.line-1, "has a second '-- migrate:%s': keep one", content[mark[2]:mark[3]])
		}
		*into = read
	}
	return up, down, nil
}

// converted is a section as goose reads it.
type converted struct {
	text string
	// alone tells that it holds what PostgreSQL refuses inside a transaction.
	alone bool
	// statements are those that the text has to hold, in PostgreSQL's reading.
	statements []string
}

// transaction are the statements that goose's own transaction takes the place of.
var transaction = []string{"TRANS_STMT_BEGIN", "TRANS_STMT_START", "TRANS_STMT_COMMIT"}

func (s section) convert() (converted, error) {
	parsed, err := sqlparser.Parse(s.sql)
	if syntax, ok := errors.AsType[*sqlparser.SyntaxError](err); ok {
		line := s.line + strings.Count(string([]rune(s.sql)[:max(syntax.Position-1, 0)]), "\n")
		return converted{}, failure.RefusedAt(s.file, line, "is no SQL that PostgreSQL could read (%s): correct it, or write this file for goose by hand", syntax.Message)
	}
	if err != nil {
		return converted{}, failure.Refused("%s", err)
	}
	made := converted{alone: s.alone}
	var text strings.Builder
	end := 0
	for position, statement := range parsed {
		text.WriteString(comments(s.sql[end:statement.Offset]))
		end = statement.Offset + len(statement.Text)
		line := s.line + strings.Count(s.sql[:statement.Offset], "\n")
		if statement.Kind == "TransactionStmt" {
			if !slices.Contains(transaction, statement.Node.Text("kind")) {
				return converted{}, failure.RefusedAt(s.file, line, "goes back in a transaction, and goose's has to end with its line in the version table: "+
					"write this file for goose by hand")
			}
			continue
		}
		made.alone = made.alone || trace.OutsideOnly(trace.Unit{Parsed: &parsed[position]})
		sql := strings.TrimSpace(statement.Text)
		made.statements = append(made.statements, sql)
		text.WriteString(forGoose(sql))
	}
	text.WriteString(comments(s.sql[end:]))
	made.text = text.String()
	return made, nil
}

// comments are the lines of comment between two statements. What stands behind a semicolon gets a line of its own.
func comments(between string) string {
	var text strings.Builder
	for line := range strings.Lines(strings.TrimLeft(between, "; \t")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "--") && !strings.Contains(line, "+goose") && !strings.HasPrefix(line, "-- migrate:") {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// forGoose is a statement as goose finds its end: the first line that ends in a semicolon, or the end of a block.
func forGoose(sql string) string {
	if script, err := migration.ParseScript("-- +goose Up\n" + sql + ";\n"); err == nil && len(script.Up) == 1 && script.Up[0].Text == sql+";" {
		return sql + ";\n"
	}
	return "-- +goose StatementBegin\n" + sql + ";\n-- +goose StatementEnd\n"
}
