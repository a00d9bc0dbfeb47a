// Package lint runs squawk on what a migration does on its way up, and tells what it finds. It never changes a file,
// and needs no database.
//
// May import: child, failure, migration, report, rules, sqlparser, trace.
package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/trace"
)

// Squawk is the linter's program.
type Squawk struct{ path string }

// Finding is what squawk has against a place in a file. Lines and columns count from 1.
type Finding struct {
	File    string
	Line    int
	Column  int
	Level   string
	Rule    string
	Message string
	Help    string
}

// metByTheEngine are the rules that hold for every migration: the engine sets both timeouts for its session, and remembers
// each statement of a file without a transaction, so that none needs IF NOT EXISTS to run a second time.
var metByTheEngine = []string{"require-lock-timeout", "require-statement-timeout", "prefer-robust-stmts"}

// FindSquawk looks where `make migrate-lint` puts it, which is beside the engine, and then on the PATH.
func FindSquawk(named string) (Squawk, error) {
	candidates := []string{named}
	if named == "" {
		engine, _ := os.Executable()
		candidates = []string{filepath.Join(filepath.Dir(engine), "squawk"), "squawk"}
	}
	for _, candidate := range candidates {
		if path, err := exec.LookPath(candidate); err == nil {
			return Squawk{path}, nil
		}
	}
	return Squawk{}, failure.Refused("squawk is not there: run make migrate-lint, which brings it, or name it with SQUAWK=/path/to/squawk")
}

// Lint reads a migration's Up section the way goose runs it: in a transaction, unless the file says otherwise. The
// service's own .squawk.toml counts. Traced is what was measured of the migration, nil where nothing was.
func (s Squawk) Lint(ctx context.Context, source migration.Source, traced []trace.Statement) (Review, error) {
	transaction := "--assume-in-transaction"
	if source.NoTransaction {
		transaction = "--no-assume-in-transaction"
	}
	findings, err := s.run(ctx, source.Up, "--stdin-filepath="+source.Path, transaction)
	if err != nil {
		return Review{}, failed(source.Path, err)
	}
	return Judge(source, findings, traced)
}

func parse(output []byte) ([]Finding, error) {
	var reported []struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Level   string `json:"level"`
		Rule    string `json:"rule_name"`
		Message string `json:"message"`
		Help    string `json:"help"`
	}
	if err := json.Unmarshal(output, &reported); err != nil {
		return nil, err
	}
	var findings []Finding
	for _, each := range reported {
		if slices.Contains(metByTheEngine, each.Rule) {
			continue
		}
		finding := Finding(each)
		// Squawk counts from 0 for machines, and from 1 for people.
		finding.Line++
		finding.Column++
		finding.Level = strings.ToLower(each.Level)
		findings = append(findings, finding)
	}
	return findings, nil
}

func failed(path string, err error) error {
	return failure.Refused("squawk failed on %s (%w): remove tools/migrate/bin/squawk and run make migrate-lint, which brings it again", path, err)
}

// run asks squawk for its findings.
func (s Squawk) run(ctx context.Context, content string, arguments ...string) ([]Finding, error) {
	command := child.Command(ctx, s.path, append([]string{"--reporter=json"}, arguments...)...)
	command.Stdin = strings.NewReader(content)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	// Squawk ends with 1 where it finds something.
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() == 1 {
		var findings []Finding
		if findings, err = parse(output); err == nil {
			return findings, nil
		}
	}
	return nil, errors.New(strings.TrimSpace(err.Error() + ": " + complaint.String()))
}
