// Command migrate-dev is for those who write migrations: it creates files, checks them, tries them on databases of its own, and
// drops and creates databases of development. It is not part of any image; what runs migrations is migrate.
package main

import (
	"os"

	"avion.internal/migrate/internal/cli"
)

var program = cli.Program{Name: cli.Developer, Short: "Write and try the database migrations of this service", Commands: commands}

func main() { os.Exit(program.Execute()) }
