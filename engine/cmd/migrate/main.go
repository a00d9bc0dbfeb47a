// Command migrate runs the SQL migrations of one service: goose's files and goose's version table, behind a lock,
// guards for each environment, and exit codes that a pipeline can act on.
package main

import (
	"os"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/program"
)

func main() {
	os.Exit(program.Execute("migrate", cli.Run))
}
