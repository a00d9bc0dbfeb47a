package develop

import (
	"context"
	"fmt"
	"strings"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
)

// review adds to the result what each statement of the new migrations does on top of the base, and what there is against it:
// the same as lint and plan tell.
func (c *checker) review(ctx context.Context, engine *Engine, base string) error {
	var selected []migration.Migration
	for position, m := range c.result.Migrations {
		if step := c.directory.Migrations[position]; c.directory.Judged(step) && (!c.result.base.known() || m.New) {
			selected = append(selected, step)
		}
	}
	found, err := engine.traceFrom(ctx, base, c.directory, selected)
	if err != nil {
		return err
	}
	c.result.Unmeasured = found.why
	for _, step := range selected {
		source, err := c.directory.Source(step)
		if err != nil {
			return err
		}
		review, err := engine.review(ctx, source, found.statements[step.File])
		if err != nil {
			return err
		}
		planned := operate.PlannedMigration{Statements: operate.PlanStatements(source.Statements)}
		fill(&planned, review, found.statements[step.File])
		for position := range c.result.Migrations {
			if checked := &c.result.Migrations[position]; checked.File == step.File {
				checked.Statements, checked.Findings = planned.Statements, planned.Findings
			}
		}
		for _, finding := range planned.Findings {
			if !c.result.base.known() { // nothing tells what could still be corrected
				break
			}
			c.say("%s line %d: %s: %s", step.File, finding.Line, finding.Rule, finding.Message)
		}
	}
	return nil
}

// statementTable shows a reviewer what each statement of the new migrations does.
func (r *checkResult) statementTable() string {
	var text strings.Builder
	table := "| Migration | Line | Statement | Locks, and who waits | What else PostgreSQL does | Objection |\n| --- | --- | --- | --- | --- | --- |\n"
	for _, m := range r.Migrations {
		for _, whole := range m.Statements {
			statements := whole.Parts
			if len(statements) == 0 {
				statements = []operate.PlannedStatement{whole}
			}
			for _, statement := range statements {
				text.WriteString(table)
				table = ""
				fmt.Fprintf(&text, "| %s | %d | %s | %s | %s | %s |\n", inMarkdown.Replace(m.File), statement.Line, inMarkdown.Replace(shortened(statement.SQL)),
					inMarkdown.Replace(locksOf(statement)), inMarkdown.Replace(strings.Join(statement.Effects(), "; ")), inMarkdown.Replace(objections(m.Findings, statement)))
			}
		}
	}
	if table == "" {
		text.WriteString("\n")
	}
	if r.Unmeasured != "" {
		fmt.Fprintf(&text, "Not measured: %s\n\n", inMarkdown.Replace(r.Unmeasured))
	}
	return text.String()
}

// shortest is how many letters of a statement a table shows.
const shortest = 80

func shortened(sql string) string {
	words := []rune(strings.Join(strings.Fields(sql), " "))
	if len(words) > shortest {
		return string(words[:shortest]) + " …"
	}
	return string(words)
}

func locksOf(statement operate.PlannedStatement) string {
	var all []string
	for _, lock := range statement.Locks {
		all = append(all, fmt.Sprintf("%s: %s", lock.Lock, lock.Blocks))
	}
	if statement.Unknown != "" {
		all = append(all, "not all are known: "+statement.Unknown)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, "; ")
}

func objections(findings []operate.PlannedFinding, statement operate.PlannedStatement) string {
	var all []string
	for _, finding := range findings {
		if statement.Covers(finding.Line) {
			all = append(all, finding.Rule+": "+finding.Message)
		}
	}
	return strings.Join(all, "; ")
}
