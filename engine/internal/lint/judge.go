package lint

import (
	"cmp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/rules"
	"avion.internal/migrate/internal/trace"
)

// Review is what there is against a migration, and what is known of its statements.
type Review struct {
	Findings []Finding
	Units    []trace.Unit
	Verdict  rules.Verdict
}

// Judge joins what squawk reported of a migration with what the engine has against it, and takes out what is wrong or
// excused. Traced is what was measured, nil where nothing was.
func Judge(source migration.Source, reported []Finding, traced []trace.Statement) (Review, error) {
	units, err := trace.Units(source.Statements)
	if err != nil {
		return Review{}, err
	}
	verdict := rules.Check(rules.File{NoTransaction: source.NoTransaction, Units: units, Traced: traced})
	comments := ignoresIn(source.Up)
	var findings []Finding
	for _, finding := range reported {
		begin, end := around(units, finding.Line)
		if !excusable(finding) && !verdict.Wrong(finding.Line, finding.Rule) && !comments.excuse(finding.Rule, begin, end) && !comments.excuse(finding.Rule, finding.Line, finding.Line) {
			findings = append(findings, finding)
		}
	}
	squawk := findings
	for _, own := range verdict.Findings {
		begin, end := around(units, own.Line)
		known := slices.ContainsFunc(squawk, func(f Finding) bool {
			return f.Line >= begin && f.Line <= end && (f.Rule == own.Rule || slices.Contains(rules.SameAs(own.Rule), f.Rule) || own.Measured && slices.Contains(rules.AboutLocks, f.Rule))
		})
		if known || comments.excuse(own.Rule, begin, end) || comments.excuseAny(rules.SameAs(own.Rule), begin, end) || own.Measured && comments.excuseAny(rules.AboutLocks, begin, end) {
			continue
		}
		findings = append(findings, Finding{File: source.Path, Line: own.Line, Column: 1, Level: own.Level, Rule: own.Rule, Message: own.Message, Help: own.Help})
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return Review{findings, units, verdict}, nil
}

// around are the first and the last line of the statement on a line.
func around(units []trace.Unit, line int) (begin, end int) {
	for _, unit := range units {
		if last := unit.Line + strings.Count(unit.Text, "\n"); unit.Line <= line && line <= last {
			return unit.Line, last
		}
	}
	return line, line
}

// excusable tells that squawk is wrong about a line: it knows its own rules only.
func excusable(finding Finding) bool {
	return finding.Rule == "unused-ignore" && rules.Known(strings.TrimPrefix(finding.Message, "unknown name "))
}

// ignore is a comment that excuses rules, as squawk reads it.
type ignore struct {
	line  int
	file  bool
	rules []string
}

type ignores struct {
	all []ignore
	// comments are the lines that hold nothing but a comment.
	comments map[int]bool
}

const ignoreWord = "squawk-ignore"

func ignoresIn(content string) ignores {
	found := ignores{comments: map[int]bool{}}
	for number, line := range strings.Split(content, "\n") {
		trimmed := strings.TrimSpace(line)
		found.comments[number+1] = strings.HasPrefix(trimmed, "--") || strings.HasPrefix(trimmed, "/*") && strings.HasSuffix(trimmed, "*/")
		before, after, mentioned := strings.Cut(line, ignoreWord)
		before = strings.TrimSpace(before)
		if !mentioned || !strings.HasSuffix(before, "--") && !strings.HasSuffix(before, "/*") {
			continue
		}
		each := ignore{line: number + 1}
		if rest, ok := strings.CutPrefix(after, "-file"); ok {
			each.file, after = true, rest
		}
		if after != "" && !strings.ContainsAny(after[:1], " \t:*") {
			continue
		}
		after, _, _ = strings.Cut(after, "*/")
		for rule := range strings.SplitSeq(after, ",") {
			if fields := strings.Fields(rule); len(fields) > 0 {
				each.rules = append(each.rules, fields[0])
			}
		}
		found.all = append(found.all, each)
	}
	return found
}

// excuse tells whether a comment in a statement, beside it, in the comments directly above it, or for the whole file names
// a rule.
func (i ignores) excuse(rule string, begin, end int) bool {
	above := begin - 1
	for above > 0 && i.comments[above] {
		above--
	}
	return slices.ContainsFunc(i.all, func(each ignore) bool {
		if each.file {
			return len(each.rules) == 0 || slices.Contains(each.rules, rule)
		}
		return above < each.line && each.line <= end && slices.Contains(each.rules, rule)
	})
}

func (i ignores) excuseAny(names []string, begin, end int) bool {
	return slices.ContainsFunc(names, func(rule string) bool { return i.excuse(rule, begin, end) })
}
