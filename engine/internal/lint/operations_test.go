package lint

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/tablelock"
	"avion.internal/migrate/internal/trace"
)

// operation is one row of the guide's table; what it says in words is read by `make reference`.
type operation struct {
	Unsafe, Rule, Relation string
	Lock                   any
	Safe                   []string
}

// Each unsafe operation is objected to for the reason that its row gives, under the lock that it names; each safe way runs, file
// after file, without an objection.
func TestTheGuidesTableIsMeasured(t *testing.T) {
	path, err := exec.LookPath("squawk")
	if err != nil {
		t.Skip("squawk is not on the PATH")
	}
	content, err := os.ReadFile("testdata/operations.yml")
	if err != nil {
		t.Fatal(err)
	}
	var operations []operation
	if err := yaml.Unmarshal(content, &operations); err != nil || len(operations) == 0 {
		t.Fatal(err)
	}
	_, _, base := standingBase(t)
	// The objections to files that run one after the other, what could not be measured, and the locks of the last.
	judge := func(t *testing.T, files ...string) (found, unmeasured []string, locks map[string]tablelock.Mode) {
		t.Helper()
		cases := make([]lintCase, len(files))
		traced := make([]trace.File, len(files))
		for i, sql := range files {
			outside := strings.Contains(sql, "CONCURRENTLY") || strings.Contains(sql, "VACUUM")
			cases[i] = lintCase{sql: sql, noTransaction: outside}
			traced[i] = trace.File{Name: sql, NoTransaction: outside, Statements: source(t, cases[i].content()).Statements}
		}
		migrations, err := base.Trace(context.Background(), traced)
		if err != nil {
			t.Fatal(err)
		}
		for i, migration := range migrations {
			for _, statement := range migration.Statements {
				if !statement.Measured() {
					unmeasured = append(unmeasured, statement.Text+": "+statement.Unmeasured)
				}
			}
			review, err := Squawk{path}.Lint(context.Background(), source(t, cases[i].content()), migration.Statements)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range review.Findings {
				found = append(found, finding.Rule)
			}
			locks = strongest(migration.Statements)
		}
		return found, unmeasured, locks
	}
	for _, row := range operations {
		t.Run(row.Rule, func(t *testing.T) {
			found, _, locks := judge(t, row.Unsafe)
			if !slices.Contains(found, row.Rule) {
				t.Errorf("%s\nis objected to by %v", row.Unsafe, found)
			}
			if row.Relation != "" && string(locks[row.Relation]) != row.Lock {
				t.Errorf("%s\nlocks %v, not %s with %v", row.Unsafe, locks, row.Relation, row.Lock)
			}
			if found, unmeasured, _ := judge(t, row.Safe...); len(found)+len(unmeasured) > 0 {
				t.Errorf("%s\nis the safe way, and is objected to by %v, and not measured: %v", row.Safe, found, unmeasured)
			}
		})
	}
}
