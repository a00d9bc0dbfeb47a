// Command migrate runs the SQL migrations of one service: goose's files and goose's version table, behind a lock,
// guards for each environment, and exit codes that a pipeline can act on.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"migrate/internal/cli"
	"migrate/internal/failure"
	"migrate/internal/report"
	"migrate/internal/terminal"
)

func main() {
	os.Exit(execute())
}

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once, whatever it is doing.
	context.AfterFunc(ctx, stop)

	err := cli.Run(ctx, terminal.Standard(), os.Args[1:])
	if err != nil {
		// A format that is refused is refused in words.
		reporter, unknown := report.New(os.Stderr, os.Getenv("LOG_FORMAT"))
		if unknown != nil {
			reporter = report.Reporter{Writer: os.Stderr}
		}
		reporter.Failed(err)
	}
	return int(failure.CodeOf(err))
}
