// Command redis-sync keeps sorted sets of Redis in agreement with tables of the service's database. Its settings, its way to
// the database and its refusals are those of the engine beside it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"migrate/internal/failure"
	"migrate/internal/report"
	"migrate/internal/terminal"
	"migrate/redis-sync/internal/cli"
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
		reporter, unknown := report.New(os.Stderr, os.Getenv("LOG_FORMAT"))
		if unknown == nil && reporter.JSON {
			reporter.Failed(err)
		} else {
			fmt.Fprintln(os.Stderr, "redis-sync: "+err.Error())
		}
	}
	return int(failure.CodeOf(err))
}
