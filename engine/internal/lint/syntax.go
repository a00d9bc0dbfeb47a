package lint

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

const syntaxError = "syntax-error"

var (
	// goose replaces variables before PostgreSQL sees them; squawk never learns their values.
	substitution = regexp.MustCompile(`(?im)^--\s*\+goose\s+ENVSUB\s+ON\s*$`)
	// squawk has no way to excuse what its parser does not know.
	excused = regexp.MustCompile(`(?m)^\s*--\s*squawk-ignore-file\s+syntax-error\b`)
)

// Syntax finds what no PostgreSQL could parse, in both sections of each file. The body of a function is a string to it.
func (s Squawk) Syntax(ctx context.Context, directory migration.Directory) ([]Finding, error) {
	var paths []string
	var reported []Finding
	// The service's own .squawk.toml may leave out whole files, and its rules do not matter here.
	own, err := os.CreateTemp("", "squawk-*.toml")
	if err != nil {
		return nil, failure.Refused("no temporary file can be written (%s): make room for it, or set TMPDIR", err)
	}
	own.Close()
	defer os.Remove(own.Name())
	failed := func(path string, err error) error {
		return failure.Refused("squawk failed on %s (%s): remove tools/migrate/bin/squawk and run make migrate-lint, which brings it again", path, err)
	}
	for _, m := range directory.Migrations {
		path := filepath.Join(directory.Path, m.File)
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, failure.Refused("%s cannot be read: correct its permissions", path)
		}
		if substitution.Match(content) || excused.Match(content) {
			continue
		}
		if terminated := migration.Terminated(string(content)); terminated != string(content) {
			found, err := s.run(ctx, &terminated, "--config="+own.Name(), "--stdin-filepath="+path)
			if err != nil {
				return nil, failed(path, err)
			}
			reported = append(reported, found...)
			continue
		}
		paths = append(paths, path)
	}
	if len(paths) > 0 {
		found, err := s.run(ctx, nil, append([]string{"--config=" + own.Name(), "--"}, paths...)...)
		if err != nil {
			return nil, failed(directory.Path, err)
		}
		reported = append(reported, found...)
	}
	var findings []Finding
	last := Finding{}
	for _, finding := range reported {
		// What follows the first error of a line is only its echo.
		if finding.Rule == syntaxError && (finding.File != last.File || finding.Line != last.Line) {
			findings = append(findings, finding)
			last = finding
		}
	}
	return findings, nil
}

// run asks squawk for its findings.
func (s Squawk) run(ctx context.Context, content *string, arguments ...string) ([]Finding, error) {
	command := child.Command(ctx, s.path, append([]string{"--reporter=json"}, arguments...)...)
	if content != nil {
		command.Stdin = strings.NewReader(*content)
	}
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
