package lint

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/trace"
)

const syntaxError = "syntax-error"

// Syntax finds what no PostgreSQL would take, in both sections of each file: in the text that goose sends, and not in the
// file. What the parser does not know, squawk may, which knows newer forms; it is nil where it is not there.
func Syntax(ctx context.Context, squawk *Squawk, directory migration.Directory) ([]error, error) {
	var problems []error
	for _, m := range directory.Migrations {
		path := filepath.Join(directory.Path, m.File)
		script, err := directory.Script(m)
		if err != nil { // which migration.Validate tells
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, failure.Refused("%s cannot be read: correct its permissions", path)
		}
		// goose replaces variables before PostgreSQL sees them: what is sent is not in the file.
		if script.Substitutes > 0 || ignoresIn(string(content)).excuse(syntaxError, 0, -1) {
			continue
		}
		if !directory.Judged(m) { // which only has to run
			script.Down = nil
		}
		for _, section := range [][]migration.Statement{script.Up, script.Down} {
			for _, statement := range section {
				found, err := statementProblems(ctx, squawk, path, statement, script.NoTransaction)
				if err != nil {
					return nil, err
				}
				problems = append(problems, found...)
			}
		}
	}
	return problems, nil
}

func statementProblems(ctx context.Context, squawk *Squawk, path string, statement migration.Statement, noTransaction bool) ([]error, error) {
	parsed, err := sqlparser.Parse(statement.Text)
	if syntax, ok := errors.AsType[*sqlparser.SyntaxError](err); ok {
		return syntaxProblem(ctx, squawk, path, statement, syntax)
	}
	if err != nil {
		return nil, failure.Refused("%w", err)
	}
	var problems []error
	for position := range parsed {
		line := statement.Line + strings.Count(statement.Text[:parsed[position].Offset], "\n")
		if err := migration.CheckTransaction(path, migration.Statement{Line: line, Text: parsed[position].Text}, noTransaction); err != nil {
			problems = append(problems, err)
		} else if !noTransaction && trace.OutsideOnly(trace.Unit{Parsed: &parsed[position]}) {
			problems = append(problems, migration.RefusedInside(path, line))
		}
	}
	return problems, nil
}

func syntaxProblem(ctx context.Context, squawk *Squawk, path string, statement migration.Statement, found *sqlparser.SyntaxError) ([]error, error) {
	cut := strings.HasPrefix(found.Message, "unterminated") || strings.Contains(found.Message, "at end of input")
	if squawk != nil && !cut {
		knows, err := squawk.knows(ctx, statement.Text)
		if err != nil {
			return nil, failed(path, err)
		}
		if knows {
			return nil, nil
		}
	}
	line := statement.Line
	if !cut {
		line += strings.Count(string([]rune(statement.Text)[:max(found.Position-1, 0)]), "\n")
	}
	wayOut := "correct it, or write '-- squawk-ignore-file syntax-error' into the file if PostgreSQL takes it"
	if cut {
		wayOut = "goose ends a statement with the first line that ends in a semicolon: put '-- +goose StatementBegin' before it and " +
			"'-- +goose StatementEnd' after it"
	}
	return []error{failure.RefusedAt(path, line, "is no SQL that PostgreSQL could read (%s): %s", found.Message, wayOut)}, nil
}

// knows tells that squawk can read a statement.
func (s Squawk) knows(ctx context.Context, text string) (bool, error) {
	// The service's own .squawk.toml may leave out rules or files.
	own, err := os.CreateTemp("", "squawk-*.toml")
	if err != nil {
		return false, err
	}
	own.Close()
	defer os.Remove(own.Name())
	findings, err := s.run(ctx, text, "--config="+own.Name(), "--stdin-filepath=statement.sql")
	for _, finding := range findings {
		if finding.Rule == syntaxError {
			return false, err
		}
	}
	return err == nil, err
}
