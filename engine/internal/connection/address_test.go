package connection

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/config"
)

func TestAnotherProgramUnderstandsTheAddress(t *testing.T) {
	const password = `p@ss:/?#[]%20'"\ $word+`
	for name, given := range map[string]struct {
		environ   []string
		host      string
		certified bool
	}{
		"a host":   {[]string{"DB_HOST=127.0.0.1", "DB_PORT=5433", "DB_USER=a b", "DB_NAME=x/y", "DB_PASSWORD=" + password}, "127.0.0.1", false},
		"IPv6":     {[]string{"DB_HOST=::1", "DB_PORT=5433", "DB_USER=a b", "DB_NAME=x/y", "DB_PASSWORD=" + password}, "::1", false},
		"a socket": {[]string{"DB_HOST=/var/run/a b", "DB_PORT=5433", "DB_USER=a b", "DB_NAME=x/y", "DB_PASSWORD=" + password}, "/var/run/a b", false},
		"a URL":    {[]string{"DB_URL=postgres://a%20b:p%40ss%3A%2F%3F%23%5B%5D%2520%27%22%5C%20%24word+@db.example:5433/x%2Fy?sslmode=require", "ENVIRONMENT=test"}, "db.example", true},
	} {
		target, err := Resolve(config.NewSettings(given.environ, nil), config.Project{})
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		folder := t.TempDir()
		address, err := target.URL(folder)
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		parsed, err := pgx.ParseConfig(address)
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		if parsed.Host != given.host || parsed.Port != 5433 || parsed.User != "a b" || parsed.Database != "x/y" || parsed.Password != password ||
			(parsed.TLSConfig != nil) != given.certified {
			t.Errorf("%s: %s is read as %s %d %s %s %s", name, address, parsed.Host, parsed.Port, parsed.User, parsed.Database, parsed.Password)
		}
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if about, err := file.Info(); err != nil || about.Mode() != 0o600 {
				t.Errorf("%s: %s may be read by others (%v)", name, file.Name(), about.Mode())
			}
		}
		if len(files) != map[bool]int{true: 0, false: 1}[name == "a URL"] {
			t.Errorf("%s: %v", name, files)
		}
	}
}
