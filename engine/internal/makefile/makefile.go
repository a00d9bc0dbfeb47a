// Package makefile reads Makefiles as text. It evaluates nothing: no $(shell …) runs, and of conditions both sides count.
//
// May import: nothing of this module.
package makefile

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Place is a line of a file, with what stands there.
type Place struct {
	File string
	Line int
	What string
}

// Rule is a target with or without a recipe.
type Rule struct {
	File      string
	Line      int // of its first recipe line, which make names, or its own
	Target    string
	HasRecipe bool
	// Double tells that it is written with two colons.
	Double bool
}

// Variable is where a variable is set.
type Variable struct {
	File  string
	Line  int
	Value string
}

// Makefile is a file with everything that it includes.
type Makefile struct {
	// Files are those that were read, in their order.
	Files     []string
	Rules     []Rule
	Variables map[string][]Variable
	// Unread are the includes that only make itself could follow.
	Unread []Place
	// Problem is the first line that make would end at; nil if none is known.
	Problem *Place
}

// Read reads a file of a folder; read returns the content of one, and whether it is there.
func Read(folder, name string, read func(file string) ([]byte, bool)) Makefile {
	reading := reader{folder: folder, read: read, Makefile: Makefile{Variables: map[string][]Variable{}}}
	reading.file(name)
	return reading.Makefile
}

type reader struct {
	Makefile
	folder string
	read   func(string) ([]byte, bool)
	// conditions is how many the current line stands in.
	conditions int
}

var (
	assignment = regexp.MustCompile(`^\s*(?:(?:export|override|private|unexport)\s+)*([^\s:#=!?+$(){}]+)\s*(?:::?:?=|\?=|\+=|!=|=)\s*(.*)$`)
	ruleLine   = regexp.MustCompile(`^([^\s:#=][^:#=]*?)\s*(&?::?)([^=]*)(?:=.*)?$`)
	includes   = regexp.MustCompile(`^ *(-include|sinclude|include)\s+(.*)$`)
	condition  = regexp.MustCompile(`^ *(ifeq|ifneq|ifdef|ifndef|endif)\b`)
	directive  = regexp.MustCompile(`^ *(?:else|export|unexport|vpath|load|-load|undefine|override|private)\b`)
	defined    = regexp.MustCompile(`^ *(?:(?:export|override)\s+)*define\s+([^\s=:?+]+)`)
)

// file reads one file. A file that is included twice is read once: it could only say the same again.
func (r *reader) file(name string) {
	content, there := r.read(name)
	if !there || slices.Contains(r.Files, name) {
		return
	}
	r.Files = append(r.Files, name)
	defining, open := 0, []int(nil)
	number := 0
	lines := strings.Split(strings.ReplaceAll(string(content), "\r\n", "\n"), "\n")
	for number < len(lines) {
		first := number + 1
		line := lines[number]
		number++
		for strings.HasSuffix(line, `\`) && number < len(lines) {
			line = strings.TrimSuffix(line, `\`) + " " + lines[number]
			number++
		}
		trimmed := strings.TrimSpace(line)
		switch {
		case defining > 0:
			if strings.HasPrefix(trimmed, "endef") {
				defining--
			} else if defined.MatchString(line) {
				defining++
			}
		case strings.HasPrefix(line, r.recipePrefix()) && open != nil:
			for _, rule := range open {
				if !r.Rules[rule].HasRecipe {
					r.Rules[rule].HasRecipe, r.Rules[rule].Line = true, first
				}
			}
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case defined.MatchString(line):
			r.set(defined.FindStringSubmatch(line)[1], Variable{File: name, Line: first})
			defining++
		default:
			open = r.line(name, first, line, open)
		}
	}
}

// line reads a line outside of recipes; it returns the rules that the next lines may be the recipe of.
func (r *reader) line(name string, number int, line string, open []int) []int {
	if parts := includes.FindStringSubmatch(line); parts != nil {
		r.include(name, number, parts[1] == "include", withoutComment(parts[2]))
		return nil
	}
	if parts := assignment.FindStringSubmatch(line); parts != nil {
		r.set(parts[1], Variable{File: name, Line: number, Value: strings.TrimSpace(withoutComment(parts[2]))})
		return nil
	}
	if parts := condition.FindStringSubmatch(line); parts != nil {
		if parts[1] == "endif" {
			r.conditions--
		} else {
			r.conditions++
		}
		return open
	}
	if directive.MatchString(line) {
		return open
	}
	if parts := ruleLine.FindStringSubmatch(line); parts != nil {
		_, recipe, inline := strings.Cut(parts[3], ";")
		var rules []int
		for target := range strings.FieldsSeq(parts[1]) {
			rules = append(rules, len(r.Rules))
			r.Rules = append(r.Rules, Rule{File: name, Line: number, Target: target, HasRecipe: inline && strings.TrimSpace(recipe) != "", Double: strings.HasSuffix(parts[2], "::")})
		}
		return rules
	}
	if strings.HasPrefix(strings.TrimSpace(line), "$") || strings.ContainsAny(line, ":=") {
		return nil
	}
	r.problem(name, number, "missing separator")
	return nil
}

// recipePrefix is what the lines of a recipe begin with.
func (r *reader) recipePrefix() string {
	if set := r.Variables[".RECIPEPREFIX"]; len(set) > 0 && set[len(set)-1].Value != "" {
		return set[len(set)-1].Value[:1]
	}
	return "\t"
}

func (r *reader) problem(name string, number int, what string) {
	if r.Problem == nil {
		r.Problem = &Place{name, number, what}
	}
}

func (r *reader) set(name string, variable Variable) {
	r.Variables[name] = append(r.Variables[name], variable)
}

// include follows an include whose names can be told without make. What a condition guards may well not be there.
func (r *reader) include(name string, number int, demanded bool, text string) {
	expanded, known := r.expand(text, 0)
	if !known {
		r.Unread = append(r.Unread, Place{name, number, strings.TrimSpace(text)})
		return
	}
	for word := range strings.FieldsSeq(expanded) {
		files := []string{path.Clean(word)}
		if strings.ContainsAny(word, "*?[") {
			files = r.glob(word)
		}
		for _, file := range files {
			if _, there := r.read(file); !there && demanded && r.conditions == 0 && !r.makes(file) {
				r.problem(name, number, file+" is not there")
			}
			r.file(file)
		}
	}
}

// makes tells whether a rule that was read so far makes a file.
func (r *reader) makes(file string) bool {
	return slices.ContainsFunc(r.Rules, func(rule Rule) bool { return rule.Target == file || strings.Contains(rule.Target, "%") })
}

func (r *reader) glob(pattern string) []string {
	matches, _ := filepath.Glob(filepath.Join(r.folder, pattern))
	var files []string
	for _, match := range matches {
		if relative, err := filepath.Rel(r.folder, match); err == nil {
			files = append(files, filepath.ToSlash(relative))
		}
	}
	return files
}

// deepest is how far references may lead; make's own may lead in a circle.
const deepest = 20

// expand replaces references to variables that were set before, and the functions that only choose among files.
func (r *reader) expand(text string, depth int) (string, bool) {
	var expanded strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		expanded.WriteString(before)
		if !found {
			return expanded.String(), true
		}
		if depth > deepest || len(after) == 0 {
			return "", false
		}
		reference, rest := after[:1], after[1:]
		if closing, bracketed := map[string]string{"(": ")", "{": "}"}[reference]; bracketed {
			end := matching(rest, reference, closing)
			if end < 0 {
				return "", false
			}
			reference, rest = rest[:end], rest[end+1:]
		}
		value, known := r.value(reference, depth+1)
		if !known {
			return "", false
		}
		expanded.WriteString(value)
		text = rest
	}
}

func (r *reader) value(reference string, depth int) (string, bool) {
	function, argument, called := strings.Cut(reference, " ")
	if called {
		argument, known := r.expand(argument, depth)
		if !known {
			return "", false
		}
		switch function {
		case "sort", "strip":
			return argument, true
		case "wildcard":
			var files []string
			for word := range strings.FieldsSeq(argument) {
				files = append(files, r.glob(word)...)
			}
			return strings.Join(files, " "), true
		}
		return "", false
	}
	if reference == "CURDIR" {
		return ".", true
	}
	set := r.Variables[reference]
	if len(set) == 0 {
		return "", false
	}
	return r.expand(set[len(set)-1].Value, depth)
}

// matching is where the bracket closes that a text begins inside of, or -1.
func matching(text, opening, closing string) int {
	depth := 1
	for position := range text {
		switch text[position : position+1] {
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return position
			}
		}
	}
	return -1
}

func withoutComment(text string) string {
	before, _, _ := strings.Cut(text, "#")
	return before
}
