// Command migrate runs the SQL migrations of one service: goose's files and goose's version table, behind a lock,
// guards for each environment, and exit codes that a pipeline can act on. It drops no database and writes no file of the
// service; what does is migrate-dev.
package main

import (
	"os"

	"avion.internal/migrate/internal/cli"
)

var program = cli.Program{Name: cli.Operator, Short: "Run the database migrations of this service", Commands: commands}

func main() { os.Exit(program.Execute()) }
