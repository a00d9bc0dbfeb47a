package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/terminal"
)

// Execute does what the command line of the process says, until a signal interrupts it, and returns the exit code.
func Execute(name string, run func(context.Context, terminal.Terminal, []string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once, whatever it is doing.
	context.AfterFunc(ctx, stop)

	err := run(ctx, terminal.Standard(), os.Args[1:])
	if err != nil {
		// A format that is refused is refused in words.
		reporter, unknown := report.New(os.Stderr, config.Process().Typed(config.LogFormat))
		if unknown != nil {
			reporter = report.Reporter{Writer: os.Stderr}
		}
		reporter.Failed(name, err)
	}
	return int(failure.CodeOf(err))
}
