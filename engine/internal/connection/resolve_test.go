package connection

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

// variables are what a test sets; names that begin with a dot come from .env.
type variables map[string]string

func (v variables) settings() config.Settings {
	var environ []string
	dotenv := map[string]string{}
	for name, value := range v {
		if inFile, ok := strings.CutPrefix(name, "."); ok {
			dotenv[inFile] = value
		} else {
			environ = append(environ, name+"="+value)
		}
	}
	return config.NewSettings(environ, dotenv)
}

func (v variables) resolve(t *testing.T) (Target, error) {
	t.Helper()
	return Resolve(v.settings(), project(t, "database: {name: auth_db, user: auth}\nservice: avion-auth\n"))
}

func project(t *testing.T, content string) config.Project {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, config.ProjectFile), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := config.ReadProject(folder)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestWhereEachPartComesFrom(t *testing.T) {
	url := "postgres://u:p@127.0.0.1:1/d"
	for name, c := range map[string]struct {
		given variables
		want  string // host port database user password
	}{
		"nothing given":                       {variables{}, "localhost 5432 auth_db auth "},
		"DB_* from the environment":           {variables{"DB_HOST": "::1", "DB_PORT": "2", "DB_NAME": "n", "DB_USER": "v", "DB_PASSWORD": "w"}, "::1 2 n v w"},
		"DB_* from .env":                      {variables{".DB_HOST": "::1", ".DB_PORT": "2", ".DB_NAME": "n"}, "::1 2 n auth "},
		"environment over .env":               {variables{"DB_NAME": "outer", ".DB_NAME": "inner"}, "localhost 5432 outer auth "},
		"a blank does not hide .env":          {variables{"DB_NAME": "", ".DB_NAME": "inner"}, "localhost 5432 inner auth "},
		"PG* fills what is open":              {variables{"PGHOST": "::1", "PGPORT": "2", "PGDATABASE": "n", "PGUSER": "v", "PGPASSWORD": "w"}, "::1 2 n v w"},
		"PG* in .env":                         {variables{".PGHOST": "::1", ".PGPASSWORD": "w"}, "::1 5432 auth_db auth w"},
		"DB_* in .env over PG*":               {variables{".DB_NAME": "inner", "PGDATABASE": "pg", "PGUSER": "pg"}, "localhost 5432 inner pg "},
		"DB_URL replaces all":                 {variables{"DB_URL": url, "DB_HOST": "::1", "DB_NAME": "n", "DB_PASSWORD": "w"}, "127.0.0.1 1 d u p"},
		"DB_URL over .env":                    {variables{"DB_URL": url, ".DB_HOST": "::1", ".DB_NAME": "n", ".DB_PASSWORD": "w"}, "127.0.0.1 1 d u p"},
		"one DB_* over DB_URL in .env":        {variables{".DB_URL": url, "DB_NAME": "n", ".DB_USER": "v"}, "127.0.0.1 1 n u p"},
		"DB_URL leaves parts open":            {variables{"DB_URL": "postgres://127.0.0.1/d", "DB_USER": "v", "PGPASSWORD": "w"}, "127.0.0.1 5432 d v w"},
		"percent-encoding in DB_URL":          {variables{"DB_URL": "postgres://a%40b:%2F%3F%23%5B%5D%40%3A%25%20+@localhost/d%20e"}, "localhost 5432 d e a@b /?#[]@:% +"},
		"parameters of DB_URL":                {variables{"DB_URL": "postgresql:///d?host=/run/pg&port=3&user=v&password=w%2b+x"}, "/run/pg 3 d v w++x"},
		"any character in DB_PASSWORD":        {variables{"DB_PASSWORD": `@:/?#[]%20'"\ $x` + "\t"}, "localhost 5432 auth_db auth " + `@:/?#[]%20'"\ $x` + "\t"},
		"any character in DB_NAME":            {variables{"DB_NAME": `a'b\c d`}, `localhost 5432 a'b\c d auth `},
		"a password that looks like settings": {variables{"DB_PASSWORD": "x' host='evil"}, "localhost 5432 auth_db auth x' host='evil"},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := c.given.resolve(t)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %d %s %s %s",
				target.config.Host, target.config.Port, target.Database, target.User, target.config.Password)
			if got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

func TestSecretsInFiles(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password := file("password", "from file\n")
	url := file("url", "postgres://u:p@localhost/d\r\n")
	for _, c := range []struct {
		given variables
		want  string
	}{
		{variables{"DB_PASSWORD_FILE": password}, "from file"},
		{variables{"DB_PASSWORD_FILE": password, ".DB_PASSWORD": "w"}, "from file"},
		{variables{".DB_PASSWORD_FILE": password, "DB_PASSWORD": "w"}, "w"},
		{variables{"DB_URL_FILE": url}, "p"},
	} {
		target, err := c.given.resolve(t)
		if err != nil || target.config.Password != c.want {
			t.Errorf("%v: %v", c.given, err)
		}
	}
	for _, given := range []variables{
		{"DB_PASSWORD_FILE": password, "DB_PASSWORD": "w"},
		{".DB_URL_FILE": url, ".DB_URL": "postgres://localhost/d"},
		{"DB_PASSWORD_FILE": filepath.Join(folder, "nowhere")},
		{"DB_PASSWORD_FILE": folder},
		{"DB_PASSWORD_FILE": file("empty", "\n")},
	} {
		if _, err := given.resolve(t); failure.CodeOf(err) != failure.CodeRefused || err == nil {
			t.Errorf("%v was accepted", given)
		}
	}
}

func TestAServiceFileFillsWhatIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(path, []byte("[auth]\nhost=127.0.0.9\ndbname=from_service\nuser=svc\npassword=w\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := variables{"PGSERVICE": "auth", "PGSERVICEFILE": path, "PGUSER": "pg", "DB_NAME": "n"}.resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	if target.config.Host != "127.0.0.9" || target.Database != "n" || target.User != "svc" || target.config.Password != "w" {
		t.Errorf("%+v", target)
	}
	if _, err := (variables{"PGSERVICE": "other", "PGSERVICEFILE": path}).resolve(t); err == nil {
		t.Error("an unknown service was accepted")
	}
}

func TestAServiceFileNeverWeakensTLS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(path, []byte("[strict]\nsslmode=require\n[lax]\nsslmode=disable\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given variables
		want  string // a mode, or empty for refused
	}{
		{variables{"PGSERVICE": "strict"}, "require"},
		{variables{"PGSERVICE": "strict", "DB_SSL_MODE": "disable"}, "require"},
		{variables{"DB_URL": "postgres://localhost/d?service=strict"}, "require"},
		{variables{"PGSERVICE": "lax", "ENVIRONMENT": "production"}, ""},
		{variables{"PGSERVICE": "lax", "ENVIRONMENT": "production", "PGSSLMODE": "require"}, "require"},
	} {
		target, err := c.given.with("PGSERVICEFILE", path).resolve(t)
		switch {
		case c.want == "" && failure.CodeOf(err) != failure.CodeRefused, c.want != "" && err != nil:
			t.Errorf("%v: %v", c.given, err)
		case c.want != "" && target.SSLMode.String() != c.want:
			t.Errorf("%v: %s, not %s", c.given, target.SSLMode, c.want)
		}
	}
}

func TestAWholeAddressInOneOfItsPartsIsRefusedWithoutBeingRepeated(t *testing.T) {
	for _, name := range []string{"DB_HOST", "DB_NAME", "DB_USER", "PGHOST", "DB_PASSWORD_FILE", "DB_URL_FILE"} {
		_, err := variables{name: "postgres://u:hunter2@localhost/d"}.resolve(t)
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPasswordFileIsReadAsLibpqReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgpass")
	lines := "# localhost:5432:auth_db:auth:comment\n\nno entry\nlocalhost:1:*:*:another port\n" +
		`loc\alhost:*:auth_db:*: a\:b\\c:d ` + "\n*:*:*:*:last\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given variables
		want  string
	}{
		{variables{}, ` a:b\c:d `},
		{variables{"DB_PORT": "1"}, "another port"},
		{variables{"DB_HOST": "/run/pg", "ENVIRONMENT": "dev"}, ` a:b\c:d `},
		{variables{"DB_NAME": "other"}, "last"},
		{variables{"DB_PASSWORD": "given"}, "given"},
	} {
		target, err := c.given.with("PGPASSFILE", path).resolve(t)
		if err != nil || target.config.Password != c.want {
			t.Errorf("%v: %q (%v)", c.given, target.config.Password, err)
		}
	}
	if _, err := (variables{"PGPASSFILE": "/nowhere"}).resolve(t); failure.CodeOf(err) != failure.CodeRefused {
		t.Error("a password file that is not there was accepted")
	}
}

func TestAPasswordFileFillsWhatIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(path, []byte("localhost:5432:auth_db:auth:from pgpass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := variables{".PGPASSFILE": path}.resolve(t)
	if err != nil || target.config.Password != "from pgpass" {
		t.Error(err)
	}
}

func TestABadAddressIsRefusedWithoutBeingRepeated(t *testing.T) {
	for _, url := range []string{
		"postgres://u:hun?ter2@localhost/d", "postgres://u:hun#ter2@localhost/d", "postgres://u:hun/ter2@localhost/d",
		"postgres://u:12/hunter2@localhost/d", "postgres://u:12?hunter2@localhost/d", "postgres://u:12#hunter2@localhost/d",
		"postgres://u:%zzhunter2@localhost/d", "postgres://u:hunter2[@localhost/d", "postgres://u:hunter2 @localhost/d",
		"mysql://u:hunter2@localhost/d", "u:hunter2@localhost", "host=localhost password=hunter2",
		"postgres://u:hunter2@localhost:port/d", "postgres://u:hunter2@a:1,b:2/d", "postgres://u:p@localhost/d?%zz=hunter2",
		"postgres://u:p@localhost/d?a b=hunter2", "postgres://u:p@localhost/d?x'=hunter2",
	} {
		_, err := variables{"DB_URL": url}.resolve(t)
		if failure.CodeOf(err) != failure.CodeRefused || err == nil {
			t.Errorf("%s: %v", url, err)
		} else if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for _, given := range []variables{
		{"DB_PORT": "0"}, {"DB_PORT": "65536"}, {"DB_PORT": "x"}, {"DB_HOST": "a,b"}, {"PGHOST": "localhost,evil"},
		{"ENVIRONMENT": ""}, {"ENVIRONMENT": "qa"}, {".ENVIRONMENT": ""}, {"ENVIRONMENT": "", ".ENVIRONMENT": "dev"},
		{"DB_HOST": "db.internal"}, {"MIGRATION_TIMEOUT": "0"}, {"MIGRATION_CONNECT_TIMEOUT": "x"},
	} {
		if _, err := given.resolve(t); err == nil || failure.CodeOf(err) != failure.CodeRefused {
			t.Errorf("%v: %v", given, err)
		}
	}
	if _, err := Resolve(variables{}.settings(), project(t, "driver: postgres\n")); err == nil {
		t.Error("a database without a name was accepted")
	}
	if _, err := Resolve(variables{"DB_NAME": "d"}.settings(), project(t, "driver: postgres\n")); err == nil {
		t.Error("a user without a name was accepted")
	}
}

func TestTheSessionIsLimitedAndNamed(t *testing.T) {
	target, err := variables{"ENVIRONMENT": "dev", "MIGRATION_TIMEOUT": "7",
		"DB_URL": "postgres://u@localhost/d?statement_timeout=0&application_name=x&custom.environment=production"}.resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"application_name": "migrate/avion-auth", "custom.environment": "development", "statement_timeout": "7000", "lock_timeout": "3000",
	} {
		if got := target.config.RuntimeParams[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if target.Environment != environment.Development {
		t.Error(target.Environment)
	}
}

func TestRedactionKnowsEveryForm(t *testing.T) {
	secret := "p@ss w/ö%"
	for _, text := range []string{"p@ss w/ö%", "p%40ss+w%2F%C3%B6%25", "p@ss%20w%2F%C3%B6%25", "p%40ss%20w%2F%C3%B6%25"} {
		if got := redact("<"+text+">", []string{secret}); got != "<"+redacted+">" {
			t.Errorf("%q stays: %q", text, got)
		}
	}
	if got := redact(`in SQL it''s, in Go \"it's\"`, []string{"it's", `"it's"`}); strings.Contains(got, "it") {
		t.Errorf("a quoted secret stays: %q", got)
	}
	if got := redact("a cat", []string{"a", ""}); got != "a cat" {
		t.Error(got)
	}
}
