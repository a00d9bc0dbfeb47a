package develop

import (
	"fmt"
	"os"
	"strings"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/tablelock"
)

// checkResult is what a check has found, for machines and for the summary of a job.
type checkResult struct {
	Service     string             `json:"service,omitempty"`
	Database    string             `json:"database"`
	Environment string             `json:"environment"`
	Server      string             `json:"server,omitempty"`
	Base        string             `json:"base,omitempty"`
	Migrations  []checkedMigration `json:"migrations"`
	// Passed are the steps of the check that found nothing.
	Passed   []string     `json:"passed"`
	OK       bool         `json:"ok"`
	ExitCode failure.Code `json:"exit_code"`
	Failure  string       `json:"failure,omitempty"`
	// Unmeasured is why nothing was measured of the statements of the new migrations, empty if it was.
	Unmeasured string `json:"unmeasured,omitempty"`

	base baseBranch
}

type checkedMigration struct {
	Version int64  `json:"version"`
	File    string `json:"file"`
	// New tells that the base branch does not have it.
	New          bool  `json:"new,omitempty"`
	Transaction  bool  `json:"transaction"`
	Milliseconds int64 `json:"duration_ms"`
	// Locks were measured, or are expected of a file that runs without a transaction.
	Locks []tablelock.Lock `json:"locks"`
	// Statements and Findings are those of new migrations, or of all where no base tells which are new.
	Statements []operate.PlannedStatement `json:"statements,omitempty"`
	Findings   []operate.PlannedFinding   `json:"findings,omitempty"`
}

// String tells the measurements.
func (m checkedMigration) String() string {
	words := []string{fmt.Sprintf("%d ms", m.Milliseconds)}
	if !m.Transaction {
		words = append(words, "NO TRANSACTION")
	}
	if len(m.Locks) > 0 {
		words = append(words, listed(m.Locks))
	}
	return strings.Join(words, "; ")
}

func listed(all []tablelock.Lock) string {
	words := make([]string, len(all))
	for position, lock := range all {
		words[position] = lock.String()
	}
	return strings.Join(words, ", ")
}

func (r *checkResult) end(err error) {
	r.Base, r.OK, r.ExitCode = r.base.name, err == nil, failure.CodeOf(err)
	if err != nil {
		r.Failure = err.Error()
	}
}

// publish prints the result, and shows it where GitHub shows the summary of a job.
func (e *Engine) publish(result *checkResult, options CheckOptions) error {
	if path := e.Settings.Typed(config.GitHubStepSummary); path != "" {
		if err := appendTo(path, result.markdown()); err != nil {
			return failure.Refused("the summary could not be written (%w): correct GITHUB_STEP_SUMMARY", err)
		}
	}
	if options.JSON {
		return e.PrintJSON(result)
	}
	return nil
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// markdown shows what is new, or everything where no base tells what that is, and the verdict last.
func (r *checkResult) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "### Migration check: %s\n\n", inMarkdown.Replace(strings.TrimSpace(r.Service+" "+inParentheses(r.Server))))
	known := 0
	table := "| Migration | Duration | Transaction | Locks | Who waits |\n| --- | --- | --- | --- | --- |\n"
	for _, m := range r.Migrations {
		if r.base.known() && !m.New {
			known++
			continue
		}
		transaction, blocks := "yes", "nobody"
		taken := inMarkdown.Replace(listed(m.Locks))
		if len(m.Locks) > 0 {
			blocks = m.Locks[0].Mode.Blocks() // they are sorted
		}
		if !m.Transaction {
			transaction = "no"
			taken = strings.TrimSpace(taken + " (expected)")
		}
		text.WriteString(table)
		table = ""
		fmt.Fprintf(&text, "| %s | %d ms | %s | %s | %s |\n", m.File, m.Milliseconds, transaction, taken, blocks)
	}
	if table == "" {
		text.WriteString("\n")
	}
	text.WriteString(r.statementTable())
	if known > 0 {
		fmt.Fprintf(&text, "%s of %s passed as well.\n\n", report.Migrations(known), inMarkdown.Replace(r.base.name))
	}
	for _, step := range r.Passed {
		fmt.Fprintf(&text, "- %s\n", inMarkdown.Replace(step))
	}
	if len(r.Passed) > 0 {
		text.WriteString("\n")
	}
	if r.OK {
		text.WriteString("**Passed.**\n\n")
	} else {
		fmt.Fprintf(&text, "**Failed** (exit code %d): %s\n\n", r.ExitCode, inMarkdown.Replace(r.Failure))
	}
	return text.String()
}

func inParentheses(server string) string {
	if server == "" {
		return ""
	}
	return "(PostgreSQL " + server + ")"
}

// Names and messages are text: nothing in them may become a table's column, a tag or an emphasis.
var inMarkdown = strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ", "*", "\\*", "_", "\\_", "`", "\\`")
