// Package cli is what the engine's programs have in common: how one starts, how it binds commands to operations, and how it
// hands a command on to the program that has it. It knows no operation and decides nothing.
//
// May import: config, failure, report, terminal.
package cli

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

// Program is one of the programs that share a service's migrations.
type Program struct {
	// Name is that of its file, migrate or migrate-dev.
	Name string
	// Short is what it does, in one line.
	Short string
	// Commands are its own.
	Commands func(terminal.Terminal) []*cobra.Command
}

// Execute does what the command line of the process says, until a signal interrupts it, and returns the exit code. Both
// programs fail in the name of migrate: whoever reads the sentence has typed a target of make.
func (p Program) Execute() int { return Execute(Operator, p.Run) }

// Run does what a command line says. A command of the other program is handed on to that.
func (p Program) Run(ctx context.Context, outside terminal.Terminal, arguments []string) error {
	if command := p.foreign(arguments); command != "" {
		return p.handOver(command, arguments)
	}
	root := p.root(outside)
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	var failed *failure.Error
	if err != nil && !errors.As(err, &failed) {
		return failure.Refused("%w: see %s --help", err, p.Name)
	}
	return err
}

func (p Program) root(outside terminal.Terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           p.Name,
		Short:         p.Short,
		Long:          p.Short + ".\n" + p.pointer(),
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// A refusal is one sentence, and cobra's suggestions are a paragraph.
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableNoDescFlag: true},
	}
	root.SetIn(outside.In)
	root.SetOut(outside.Out)
	root.SetErr(outside.Err)
	root.AddCommand(p.Commands(outside)...)
	Describable(root)
	return root
}

// Operation is a command without arguments: it starts an engine, and lets that do something.
func Operation[E any](outside terminal.Terminal, start func(terminal.Terminal) (E, error), name, short string,
	do func(E, context.Context) error) *cobra.Command {
	command := OperationOn(outside, start, name, short, func(engine E, ctx context.Context, _ string) error { return do(engine, ctx) })
	command.Args = cobra.NoArgs
	return command
}

// OperationOn is a command with at most one argument, which is empty where none is typed.
func OperationOn[E any](outside terminal.Terminal, start func(terminal.Terminal) (E, error), use, short string,
	do func(engine E, ctx context.Context, argument string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			engine, err := start(outside)
			if err != nil {
				return err
			}
			return do(engine, command.Context(), strings.Join(arguments, " "))
		},
	}
}

// JSON gives a command the flag with which a program reads its result.
func JSON(command *cobra.Command, asked *bool) {
	command.Flags().BoolVar(asked, "json", false, "print JSON")
}

// Version names the versions that decide what a program does.
func Version() string {
	build, _ := debug.ReadBuildInfo()
	var text strings.Builder
	text.WriteString(build.GoVersion)
	for _, dependency := range build.Deps {
		switch dependency.Path {
		case "github.com/pressly/goose/v3":
			text.WriteString(", goose " + dependency.Version)
		case "github.com/jackc/pgx/v5":
			text.WriteString(", pgx " + dependency.Version)
		}
	}
	return text.String()
}
