package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/failure"
)

// The two programs.
const (
	Operator  = "migrate"
	Developer = "migrate-dev"
)

// Commands are those of each program. They are written down here, too, because each program has to know what the other can do
// without holding any of it. Plan is a command of both.
var Commands = map[string][]string{
	Operator: {"backfill", "baseline", "cronjobs", "down", "indexes", "job", "maintain", "mark", "ping", "plan", "redo", "repair", "seed", "status",
		"to", "up", "version"},
	Developer: {"adopt", "check", "create", "doctor", "import", "lint", "plan", "recipes", "reset", "schema", "template-check", "testdb", "validate", "wire"},
}

// withoutTarget are the commands that no make target runs.
var withoutTarget = []string{"mark", "repair", "version"}

func (p Program) neighbour() string {
	if p.Name == Operator {
		return Developer
	}
	return Operator
}

// pointer tells of the other program in one line.
func (p Program) pointer() string {
	other := p.neighbour()
	foreign := slices.DeleteFunc(slices.Clone(Commands[other]), func(name string) bool { return slices.Contains(Commands[p.Name], name) })
	return other + ", in the same folder, has " + strings.Join(foreign, ", ") + "."
}

// foreign is the command of the other program that a command line is about, or empty.
func (p Program) foreign(arguments []string) string {
	for _, argument := range arguments {
		switch {
		case argument == "help", argument == cobra.ShellCompRequestCmd, argument == cobra.ShellCompNoDescRequestCmd:
			continue // It is about the command that follows.
		case slices.Contains(Commands[p.neighbour()], argument) && !slices.Contains(Commands[p.Name], argument):
			return argument
		}
		break
	}
	return ""
}

// handedOver tells the program that takes another one's place which one that was.
const handedOver = "MIGRATE_HANDED_OVER_BY"

// handOver lets the other program, from the same folder, take this one's place. What was handed over goes no further: of two
// versions each may take a command for the other's.
func (p Program) handOver(command string, arguments []string) error {
	other := p.neighbour()
	path, err := beside(other)
	if from := os.Getenv(handedOver); from != "" {
		return failure.Refused("%s handed %s to %s, which has no such command either, because the two are of different versions: "+
			"build both in a checkout of the service with sh tools/migrate/build.sh %s %s", from, command, p.Name, Operator, Developer)
	}
	if err == nil {
		err = syscall.Exec(path, append([]string{path}, arguments...), append(os.Environ(), handedOver+"="+p.Name))
	}
	if slices.Contains(withoutTarget, command) {
		return failure.Refused("%s is a command of %s, and %s cannot be run (%w): build it in a checkout of the service with sh tools/migrate/build.sh %s",
			command, other, path, err, other)
	}
	return failure.Refused("%s is a command of %s, and %s cannot be run (%w): run make migrate-%s in a checkout of the service, "+
		"or build it there with sh tools/migrate/build.sh %s", command, other, path, err, command, other)
}

// beside is the path of another program in the folder of this one.
func beside(program string) (string, error) {
	own, err := os.Executable()
	if err == nil {
		own, err = filepath.EvalSymlinks(own)
	}
	return filepath.Join(filepath.Dir(own), program), err
}
