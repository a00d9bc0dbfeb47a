// Command golang-migrate applies the pairs of a folder to a database, or the first so many of them: what its arguments name are
// folder, URL and number. The code is golang-migrate's own.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/source/file"
)

func main() {
	if err := apply(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func apply(arguments []string) error {
	runner, err := migrate.New("file://"+arguments[0], arguments[1])
	if err != nil {
		return err
	}
	if len(arguments) == 2 {
		return runner.Up()
	}
	steps, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	return runner.Steps(steps)
}
