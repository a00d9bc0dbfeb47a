package wiring

import (
	"fmt"
	"strings"
)

const surrounding = 3

// Diff is an edit in the form that diff -u and git use. All that an edit changes stands together, so it is one hunk.
func (e Edit) Diff() string {
	before, after := lines(string(e.Before)), lines(string(e.After))
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	from := max(0, head-surrounding)
	trailing := min(tail, surrounding)
	var diff strings.Builder
	fmt.Fprintf(&diff, "--- a/%s\n+++ b/%s\n", e.Path, e.Path)
	fmt.Fprintf(&diff, "@@ -%s +%s @@\n", span(from, len(before)-tail+trailing), span(from, len(after)-tail+trailing))
	write(&diff, " ", before[from:head])
	write(&diff, "-", before[head:len(before)-tail])
	write(&diff, "+", after[head:len(after)-tail])
	write(&diff, " ", before[len(before)-tail:len(before)-tail+trailing])
	return diff.String()
}

func lines(text string) []string {
	split := strings.SplitAfter(text, "\n")
	if split[len(split)-1] == "" {
		split = split[:len(split)-1]
	}
	return split
}

// span is the place of the lines from one to another, as a hunk's head says it.
func span(from, to int) string {
	if from == to {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

func write(diff *strings.Builder, sign string, lines []string) {
	for _, line := range lines {
		diff.WriteString(sign + line)
		if !strings.HasSuffix(line, "\n") {
			diff.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
