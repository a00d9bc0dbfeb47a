package wiring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

const targets = "migrations.mk"

// makefiles are the names that make looks for, in its order.
var makefiles = []string{"GNUmakefile", "makefile", "Makefile"}

var (
	makefileList  = regexp.MustCompile(`(?m)^MAKEFILE_LIST :?= *(.*)$`)
	recipePrefix  = regexp.MustCompile(`(?m)^\.RECIPEPREFIX :?= *(\S+)`)
	variable      = regexp.MustCompile(`(?m)^# (?:makefile|environment override|override)[^\n]* \(from ['` + "`" + `]([^']+)', line (\d+)\)\n(?:define )?([A-Za-z_]+)`)
	ownVariable   = regexp.MustCompile(`(?m)^([a-z_]+) :=`)
	doubleRecipe  = regexp.MustCompile(`(?m)^(.+?):(\d+): warning: (?:overriding|ignoring old) (?:recipe|commands) for target ['` + "`" + `](.+?)'`)
	exportedByAll = regexp.MustCompile(`(?m)^[ ]*export[ \t]*\r?$`)
)

// readMakefile lets make itself read the Makefile, so that what it includes and what it computes counts too.
func (s Service) readMakefile(ctx context.Context, plan *Plan) error {
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
	alone, err := s.make(ctx, name)
	if err != nil {
		plan.Clashes = append(plan.Clashes, err)
		return nil
	}
	if match := recipePrefix.FindStringSubmatch(alone.database); match != nil {
		plan.clash("%s sets .RECIPEPREFIX to %q, but the recipes in %s begin with a tab: "+
			"set it back to nothing at the end of the file", name, match[1], targets)
		return nil
	}
	after := string(content)
	together := alone
	if !slices.Contains(alone.files, targets) {
		after = appendLines(content, "include "+targets+"\n")
		if together, err = s.make(ctx, name, targets); err != nil {
			plan.Clashes = append(plan.Clashes, err)
			return nil
		}
	}
	s.makeClashes(plan, alone, together)
	for _, file := range alone.files {
		if path.Base(file) == ".env" && exportedByAll.Match(content) {
			plan.note("%s includes %s and exports everything: make keeps quotes and expands $ in it, and what it exports counts before "+
				"what the engine reads from the file itself", name, file)
		}
	}
	plan.edit(name, content, after)
	return nil
}

func (s Service) makeClashes(plan *Plan, alone, together makeResult) {
	double := doubleRecipe.FindAllStringSubmatch(together.messages, -1)
	// Two recipes of the service's own are nobody else's business.
	shared := map[string]bool{}
	for _, match := range double {
		if file, target := match[1], match[3]; file == targets {
			shared[target] = true
		}
	}
	for _, match := range double {
		if file, line, target := match[1], match[2], match[3]; file != targets && shared[target] {
			plan.clash("%s:%s has a target %s of its own, which %s brings too: remove the service's, or give it another name",
				file, line, target, targets)
		}
	}
	ours, _, _ := s.read(targets)
	var names []string
	for _, match := range ownVariable.FindAllSubmatch(ours, -1) {
		names = append(names, string(match[1]))
	}
	for _, match := range variable.FindAllStringSubmatch(alone.database, -1) {
		if file, line, name := match[1], match[2], match[3]; file != targets && slices.Contains(names, name) {
			plan.clash("%s:%s sets the variable %s, which %s sets too: give the service's another name", file, line, name, targets)
		}
	}
}

// makeResult is what make knows after it has read its files.
type makeResult struct {
	files    []string
	database string // of rules and variables, as make prints it
	messages string
}

// make has the files read, and nothing done.
func (s Service) make(ctx context.Context, files ...string) (makeResult, error) {
	arguments := []string{"--print-data-base", "--question", "--no-print-directory"}
	for _, file := range files {
		arguments = append(arguments, "--file="+file)
	}
	// A file that is there and that nothing makes: not even a rule for everything has a reason to run.
	command := exec.CommandContext(ctx, "make", append(arguments, targets)...)
	command.Dir = s.Folder
	command.Env = append(withoutMake(os.Environ()), "LC_ALL=C", "LANGUAGE=C")
	var output, messages bytes.Buffer
	command.Stdout, command.Stderr = &output, &messages
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return makeResult{}, failure.Refused("make cannot be started (%s): install GNU Make", err)
	}
	result := makeResult{database: output.String(), messages: messages.String()}
	list := makefileList.FindStringSubmatch(result.database)
	if exit != nil && exit.ExitCode() > 1 || list == nil {
		return makeResult{}, failure.Refused("make cannot read %s (%s): correct it", strings.Join(files, " with "), lastLine(result.messages))
	}
	for file := range strings.FieldsSeq(list[1]) {
		result.files = append(result.files, path.Clean(file))
	}
	return result, nil
}

// withoutMake keeps a make that started this program from speaking to the one that this program starts.
func withoutMake(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "MAKE") || name == "MFLAGS" || name == "GNUMAKEFLAGS" || name == "CONFIRM"
	})
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
