package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

// description is what --describe prints.
type description struct {
	Program   string                `json:"program"`
	Short     string                `json:"short"`
	Flags     []describedFlag       `json:"flags"`
	Commands  []describedCommand    `json:"commands"`
	Variables []any                 `json:"variables"`
	ExitCodes []failure.Description `json:"exit_codes"`
}

type describedCommand struct {
	Name  string `json:"name"`
	Short string `json:"short"`
	// Arguments are as the usage shows them: one between brackets may be left out.
	Arguments string          `json:"arguments,omitempty"`
	Flags     []describedFlag `json:"flags,omitempty"`
}

type describedFlag struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	// Type is bool or string.
	Type    string `json:"type"`
	Default string `json:"default"`
}

// Describable gives a program the flag --describe, with which it prints what people and pipelines may rely on: its commands,
// their flags, the variables that it reads, and its exit codes. Nothing else is then done, and no project is needed.
func Describable(root *cobra.Command) {
	run := root.RunE
	describe := root.Flags().Bool("describe", false, "print the commands, flags, variables and exit codes as JSON")
	root.RunE = func(command *cobra.Command, arguments []string) error {
		switch {
		case *describe:
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			encoder.SetEscapeHTML(false)
			return encoder.Encode(describeProgram(command))
		case run != nil:
			return run(command, arguments)
		}
		return command.Help()
	}
}

func describeProgram(root *cobra.Command) description {
	described := description{
		Program: root.Name(), Short: root.Short, Flags: flagsOf(root),
		Variables: config.Describe(root.Name()), ExitCodes: failure.Codes(),
	}
	for _, each := range root.Commands() {
		if cobras := []string{"help", "completion"}; slices.Contains(cobras, each.Name()) {
			continue
		}
		_, arguments, _ := strings.Cut(each.Use, " ")
		described.Commands = append(described.Commands, describedCommand{each.Name(), each.Short, arguments, flagsOf(each)})
	}
	return described
}

func flagsOf(of *cobra.Command) []describedFlag {
	var found []describedFlag
	of.LocalNonPersistentFlags().VisitAll(func(each *pflag.Flag) {
		if each.Name != "help" { // cobra's own, of every command
			found = append(found, describedFlag{each.Name, each.Usage, each.Value.Type(), each.DefValue})
		}
	})
	return found
}
