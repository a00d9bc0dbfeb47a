// Command migrate runs the SQL migrations of one service: goose's files and goose's version table, behind a lock,
// guards for each environment, and exit codes that a pipeline can act on.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"migrate/internal/cli"
	"migrate/internal/failure"
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
		fmt.Fprintln(os.Stderr, "migrate: "+err.Error())
	}
	return int(failure.CodeOf(err))
}
