package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/joho/godotenv"

	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

var refusedLine = regexp.MustCompile(`^\.env line [0-9]+ cannot be read: write NAME=value, ` +
	`and put a value with special characters between single quotes$`)

func FuzzDotEnvIsReadAsGooseReadsItOrRefusedByLine(f *testing.F) {
	for _, content := range []string{
		"", "A=1\nB=${A}\n", "export A='b $c'\r\n# d\nE: f # g", "A=\"b\\n\\\"c\"\n", "A='open\n", "A-B=1\n", "=\n", "A", "A=\xff\n", "\ufeffA=1",
	} {
		f.Add([]byte(content))
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(folder, ".env"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		read, _, err := ReadEnvFile(folder, ".env")
		expected, refused := godotenv.UnmarshalBytes(content)
		switch {
		case (err == nil) != (refused == nil):
			t.Errorf("%q: %v, goose: %v", content, err, refused)
		case err == nil && !maps.Equal(read, expected):
			t.Errorf("%q: %q, goose: %q", content, read, expected)
		case err != nil && (failure.CodeOf(err) != failure.CodeRefused || !refusedLine.MatchString(err.Error())):
			t.Errorf("%q: %s", content, err)
		}
	})
}

func FuzzAProjectIsSafeOrRefused(f *testing.F) {
	for _, content := range []string{
		"", "driver: postgres\ndir: ./migrations\ntable: goose_db_version\n", "table: a.b\nseed: {dir: s, table: c}\n", "dri: x",
		"environments: {production: {ssl_mode: disable}}", "environments: {production: {ssl_mode: verify-full, ssl_root_cert: system}}",
		"environments: {staging: {plaintext_hosts: [db]}}", "environments: {prod: {}}", "table: a; DROP TABLE b", "a: &a [*a]", "- 1", "\t", "\xff",
	} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		project, err := ParseProject(content)
		if err != nil {
			if failure.CodeOf(err) != failure.CodeRefused || !strings.HasPrefix(err.Error(), ProjectFile) {
				t.Errorf("%q: %s", content, err)
			}
			return
		}
		for _, stream := range []Stream{project.Migrations, project.Seed} {
			if !sqltext.IsPlainTable(stream.Table) || stream.Dir == "" {
				t.Errorf("%q: %+v", content, stream)
			}
		}
		production := environment.Production
		remote := environment.Host{Name: "db"}
		if mode := production.DemandedSSLMode(project.Rules(production), remote); mode < environment.SSLRequire {
			t.Errorf("%q: production accepts %s", content, mode)
		}
		if rules := project.Rules(environment.Staging); len(rules.PlaintextHosts) > 0 {
			t.Errorf("%q: staging is reached in clear: %v", content, rules.PlaintextHosts)
		}
	})
}
