package wiring

import (
	"bytes"
	"context"
	"path"
	"regexp"
	"slices"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/makefile"
)

const targets = "migrations.mk"

// makefiles are the names that make looks for, in its order.
var makefiles = []string{"GNUmakefile", "makefile", "Makefile"}

var (
	ownVariable   = regexp.MustCompile(`(?m)^([a-z_]+) :=`)
	exportedByAll = regexp.MustCompile(`(?m)^[ ]*export[ \t]*\r?$`)
)

// readMakefile reads the Makefile with what it includes, as text: make itself would run what stands in $(shell …).
func (s Service) readMakefile(_ context.Context, plan *Plan) error {
	found, err := s.present(makefiles...)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		plan.absent("Makefile")
		return nil
	}
	name := found[0]
	for _, other := range found[1:] {
		plan.note("%s is never read, because make reads %s: remove it", other, name)
	}
	content, _, err := s.read(name)
	if err != nil {
		return err
	}
	read := func(file string) ([]byte, bool) {
		content, there, err := s.read(file)
		return content, there && err == nil
	}
	whole := makefile.Read(s.Folder, name, read)
	if whole.Problem != nil {
		plan.Clashes = append(plan.Clashes, failure.At(whole.Problem.File, whole.Problem.Line, failure.Refused("make cannot read %s:%d (%s): correct it",
			whole.Problem.File, whole.Problem.Line, whole.Problem.What)))
	}
	if prefix := whole.Variables[".RECIPEPREFIX"]; len(prefix) > 0 && prefix[len(prefix)-1].Value != "" {
		plan.clash("%s sets .RECIPEPREFIX to %q, but the recipes in %s begin with a tab: "+
			"set it back to nothing at the end of the file", name, prefix[len(prefix)-1].Value, targets)
		return nil
	}
	for _, unread := range whole.Unread {
		plan.note("%s:%d includes what only make could tell (%s): nobody has looked there for targets that %s brings too", unread.File, unread.Line, unread.What, targets)
	}
	after := string(content)
	if !slices.Contains(whole.Files, targets) {
		after = appendLines(content, "include "+targets+"\n")
	}
	s.makeClashes(plan, whole, makefile.Read(s.Folder, targets, read))
	for _, file := range whole.Files {
		if !exportedByAll.Match(content) {
			break
		}
		switch path.Base(file) {
		case ".env.example":
			plan.clash("%s includes %s and exports everything, and make prefers that to the variables of a workflow: use .env alone there, or export by name", name, file)
		case ".env":
			plan.note("%s includes %s and exports everything: make keeps quotes and expands $ in it, and what it exports counts before "+
				"what the engine reads from the file itself", name, file)
		}
	}
	plan.edit(name, content, after)
	return nil
}

// makeClashes finds what the service's files and the template's would take from each other.
func (s Service) makeClashes(plan *Plan, whole, ours makefile.Makefile) {
	for _, rule := range whole.Rules {
		if rule.File == targets {
			continue
		}
		own := slices.ContainsFunc(ours.Rules, func(own makefile.Rule) bool { return own.Target == rule.Target && own.HasRecipe })
		switch {
		case own && rule.Double:
			plan.clash("%s:%d and %s have both : and :: entries for the target %s: remove the service's, or give it another name", rule.File, rule.Line, targets, rule.Target)
		case own && rule.HasRecipe:
			plan.clash("%s:%d has a target %s of its own, which %s brings too: remove the service's, or give it another name", rule.File, rule.Line, rule.Target, targets)
		}
	}
	content, _, _ := s.read(targets)
	for _, match := range ownVariable.FindAllSubmatch(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), -1) {
		for _, set := range whole.Variables[string(match[1])] {
			if set.File != targets {
				plan.clash("%s:%d sets the variable %s, which %s sets too: give the service's another name", set.File, set.Line, match[1], targets)
			}
		}
	}
}
