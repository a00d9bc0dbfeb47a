// Command redis-sync keeps sorted sets of Redis in agreement with tables of the service's database. Its settings, its way to
// the database and its refusals are those of the engine beside it.
package main

import (
	"os"

	"avion.internal/migrate/internal/cli"
	redissync "avion.internal/migrate/internal/redissync/cli"
)

func main() {
	os.Exit(cli.Execute("redis-sync", redissync.Run))
}
