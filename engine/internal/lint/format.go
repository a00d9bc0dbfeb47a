package lint

import (
	"fmt"
	"strings"

	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/rules"
)

// Text is a finding for people and editors.
func Text(f Finding) string {
	return fmt.Sprintf("%s:%d:%d: %s: %s: %s", f.File, f.Line, f.Column, f.Level, f.Rule, f.advice())
}

// Annotation writes a finding so that GitHub shows it beside the line in a pull request. The prefix leads from the top
// of the repository to the service.
func Annotation(prefix string) func(Finding) string {
	return func(f Finding) string {
		level := "warning"
		if f.Level == "error" {
			level = "error"
		}
		return report.Annotation{
			Level: level, File: prefix + f.File, Line: f.Line, Column: f.Column, Title: f.Rule, Message: f.advice(),
		}.String()
	}
}

func (f Finding) advice() string {
	words := f.Message
	if f.Help != "" {
		words += " Help: " + f.Help
	}
	words = strings.Join(strings.Fields(words), " ")
	if rules.Known(f.Rule) {
		return words
	}
	return words + " (https://squawkhq.com/docs/" + f.Rule + ")"
}
