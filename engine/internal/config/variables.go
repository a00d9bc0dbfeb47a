package config

import (
	"strconv"
	"strings"
)

// Variable is a variable of the environment that .env may hold, too.
type Variable struct{ *declaration }

// TypedVariable is one that counts only for the run that it is typed for: .env, which stays, is not asked.
type TypedVariable struct{ *declaration }

// SecondsVariable is a Variable that holds a whole number of seconds.
type SecondsVariable struct{ *declaration }

// SecretVariable is a Variable that may be given as a file instead.
type SecretVariable struct {
	Variable
	// File holds the path of a file with the value.
	File Variable
}

// group is what a variable is about.
type group string

// The groups.
const (
	connection group = "Connection"
	run        group = "Run"
	libpq      group = "libpq"
	machine    group = "Machine"
)

// declaration is what a program says about a variable that it reads. In words, code stands between backquotes.
type declaration struct {
	Name    string `json:"name"`
	Group   group  `json:"group"`
	Meaning string `json:"meaning"`
	// Default is the value that counts where nothing says another. Otherwise tells in words what counts then, where that is
	// no fixed value.
	Default   string  `json:"default,omitempty"`
	Otherwise string  `json:"otherwise,omitempty"`
	Limits    *Limits `json:"limits,omitempty"`
	// DotEnv tells whether .env may hold it.
	DotEnv bool `json:"dotenv"`
	// Commands are those of the program that read it; none are named where most do.
	Commands []string `json:"commands,omitempty"`

	// readers are the programs that read it, or single commands of them, as in "migrate up".
	readers []string
}

// Limits are those of a number, both of which it may be.
type Limits struct {
	Unit    string `json:"unit"`
	Lowest  int    `json:"lowest"`
	Highest int    `json:"highest"`
}

// declared holds every variable, in the order below: what is read has to be one of them, so that nothing is read that no
// program describes.
var declared []*declaration

func declare(one declaration) *declaration {
	declared = append(declared, &one)
	return &one
}

func lasting(one declaration) Variable {
	one.DotEnv = true
	return Variable{declare(one)}
}

func typed(one declaration) TypedVariable { return TypedVariable{declare(one)} }

func seconds(lowest, highest int, one declaration) SecondsVariable {
	one.DotEnv, one.Limits = true, &Limits{"seconds", lowest, highest}
	return SecondsVariable{declare(one)}
}

func secret(ofFile string, one declaration) SecretVariable {
	value := lasting(one)
	one.Name, one.Meaning = one.Name+"_FILE", ofFile
	return SecretVariable{value, lasting(one)}
}

// fallback is the default as a number; zero where there is none.
func (v SecondsVariable) fallback() int {
	number, _ := strconv.Atoi(v.Default)
	return number
}

// Describe returns what a program says about the variables that it reads, for JSON.
func Describe(program string) []any {
	var found []any
	for _, each := range declared {
		described, read := *each, false
		for _, reader := range each.readers {
			name, command, single := strings.Cut(reader, " ")
			if name != program {
				continue
			}
			read = true
			if single {
				described.Commands = append(described.Commands, command)
			}
		}
		if read {
			found = append(found, described)
		}
	}
	return found
}

// The programs that read them.
var (
	everybody = []string{"migrate", "migrate-dev", "redis-sync"}
	ours      = []string{"migrate", "migrate-dev"}
	worker    = []string{"redis-sync"}
	measured  = []string{"migrate up", "migrate down", "migrate redo", "migrate to", "migrate seed", "migrate maintain"}
	doctor    = []string{"migrate-dev doctor"}
)

// Which database, and how it is reached.
var (
	EnvironmentName = lasting(declaration{
		Name: "ENVIRONMENT", Group: connection, readers: everybody,
		Meaning:   "Where this is; `development`, `test`, `staging` or `production`, and everything else is refused",
		Otherwise: "`development` on this machine; must be given for any other host",
	})
	DBHost = lasting(declaration{
		Name: "DB_HOST", Group: connection, readers: everybody, Meaning: "Host of the database", Default: "localhost",
	})
	DBPort = lasting(declaration{
		Name: "DB_PORT", Group: connection, readers: everybody, Meaning: "Its port", Default: "5432",
	})
	DBName = lasting(declaration{
		Name: "DB_NAME", Group: connection, readers: everybody,
		Meaning: "Name of the database", Otherwise: "`database.name` of `.goose.yml`",
	})
	DBUser = lasting(declaration{
		Name: "DB_USER", Group: connection, readers: everybody, Meaning: "Role", Otherwise: "`database.user` of `.goose.yml`",
	})
	DBPassword = secret("A file that holds the password", declaration{
		Name: "DB_PASSWORD", Group: connection, readers: everybody,
		Meaning: "The role's password",
	})
	DBSSLMode = lasting(declaration{
		Name: "DB_SSL_MODE", Group: connection, readers: everybody,
		Meaning:   "`disable`, `require`, `verify-ca` or `verify-full`; weaker than the environment demands is refused",
		Otherwise: "what the environment demands",
	})
	DBSSLRootCert = lasting(declaration{
		Name: "DB_SSL_ROOT_CERT", Group: connection, readers: everybody,
		Meaning:   "The CA bundle to check the server against; `system` stands for the public CAs and needs `verify-full`",
		Otherwise: "`ssl_root_cert` of `.goose.yml`",
	})
	DBURL = secret("A file that holds that URL", declaration{
		Name: "DB_URL", Group: connection, readers: everybody,
		Meaning: "The whole connection as one `postgres://` URL",
	})
	RedisURL = secret("A file that holds that address", declaration{
		Name: "REDIS_URL", Group: connection, readers: worker,
		Meaning: "With `redis_sync`: Redis, as in `rediss://user:password@host:6379/0`",
	})
	RedisSSLRootCert = lasting(declaration{
		Name: "REDIS_SSL_ROOT_CERT", Group: connection, readers: worker,
		Meaning: "A CA to trust with Redis besides those of the machine",
	})
)

// How a run behaves, and what it leaves behind.
var (
	Timeout = seconds(1, 86400, declaration{
		Name: "MIGRATION_TIMEOUT", Group: run, readers: everybody, Meaning: "How long one SQL statement may take", Default: "300",
	})
	ConnectTimeout = seconds(0, 3600, declaration{
		Name: "MIGRATION_CONNECT_TIMEOUT", Group: run, readers: everybody,
		Meaning: "How long to try to reach the database", Default: "5",
	})
	LockTimeout = seconds(0, 3600, declaration{
		Name: "MIGRATION_LOCK_TIMEOUT", Group: run, readers: ours, Meaning: "How long to wait for another run to end", Default: "60",
	})
	RetryTimeout = seconds(0, 86400, declaration{
		Name: "MIGRATION_RETRY_TIMEOUT", Group: run, readers: ours,
		Meaning:   "How long to go on trying where another session keeps a table locked",
		Otherwise: "`MIGRATION_TIMEOUT`",
	})
	AutoRun = lasting(declaration{
		Name: "MIGRATION_AUTO_RUN", Group: run, readers: []string{"migrate up"},
		Meaning: "`true` applies what is pending when compose starts", Default: "false",
	})
	MetricsFile = lasting(declaration{
		Name: "MIGRATION_METRICS_FILE", Group: run, readers: measured, Meaning: "A file for node_exporter's textfile collector",
	})
	PushgatewayURL = lasting(declaration{
		Name: "MIGRATION_PUSHGATEWAY_URL", Group: run, readers: measured, Meaning: "A Pushgateway that takes the metrics of a run",
	})
	RedisSyncListen = lasting(declaration{
		Name: "REDIS_SYNC_LISTEN", Group: run, readers: worker,
		Meaning: "Where the worker for Redis tells its metrics, as in `:9474`",
	})
	LogFormat = typed(declaration{
		Name: "LOG_FORMAT", Group: run, readers: everybody,
		Meaning: "`json` writes each line on stderr as a JSON object", Default: "text",
	})
	Confirm = typed(declaration{
		Name: "CONFIRM", Group: run,
		readers: []string{"migrate down", "migrate redo", "migrate to", "migrate repair", "migrate baseline", "migrate mark", "migrate job", "migrate-dev reset", "migrate-dev wire", "migrate-dev import"},
		Meaning: "Says yes to what cannot be taken back: the database's name for a rollback in production, a baseline or a reset, `yes` for `migrate-wire` and `migrate-import`",
	})
)

// What psql reads, too; it fills in what is open.
var (
	PGHost = lasting(declaration{
		Name: "PGHOST", Group: libpq, readers: everybody, Meaning: "Host where neither `DB_HOST` nor `DB_URL` names one",
	})
	PGPort = lasting(declaration{
		Name: "PGPORT", Group: libpq, readers: everybody, Meaning: "Port where nothing else names one",
	})
	PGDatabase = lasting(declaration{
		Name: "PGDATABASE", Group: libpq, readers: everybody, Meaning: "Database where nothing else names one",
	})
	PGUser = lasting(declaration{
		Name: "PGUSER", Group: libpq, readers: everybody, Meaning: "Role where nothing else names one",
	})
	PGPassword = lasting(declaration{
		Name: "PGPASSWORD", Group: libpq, readers: everybody, Meaning: "Password where nothing else holds one",
	})
	PGSSLMode = lasting(declaration{
		Name: "PGSSLMODE", Group: libpq, readers: everybody, Meaning: "Counts beside `DB_SSL_MODE`; the stronger of the two is used",
	})
	PGSSLRootCert = lasting(declaration{
		Name: "PGSSLROOTCERT", Group: libpq, readers: everybody, Meaning: "CA bundle where nothing else names one",
	})
	PGPassFile = lasting(declaration{
		Name: "PGPASSFILE", Group: libpq, readers: everybody, Meaning: "A password file as psql reads it",
	})
	PGService = lasting(declaration{
		Name: "PGSERVICE", Group: libpq, readers: everybody, Meaning: "A service of the service file",
	})
	PGServiceFile = lasting(declaration{
		Name: "PGSERVICEFILE", Group: libpq, readers: everybody, Meaning: "The service file",
	})
	PGSSLCert = lasting(declaration{
		Name: "PGSSLCERT", Group: libpq, readers: everybody, Meaning: "The client's certificate",
	})
	PGSSLKey = lasting(declaration{
		Name: "PGSSLKEY", Group: libpq, readers: everybody, Meaning: "The key of the client's certificate",
	})
	PGSSLPassword = lasting(declaration{
		Name: "PGSSLPASSWORD", Group: libpq, readers: everybody, Meaning: "The password of that key",
	})
	PGRequireAuth = lasting(declaration{
		Name: "PGREQUIREAUTH", Group: libpq, readers: everybody, Meaning: "How the server must ask for the password",
	})
	PGChannelBinding = lasting(declaration{
		Name: "PGCHANNELBINDING", Group: libpq, readers: everybody, Meaning: "Whether the password is bound to the TLS connection",
	})
)

// What the machine brings.
var (
	Go = typed(declaration{
		Name: "GO", Group: machine, readers: doctor, Meaning: "Another go command to build the engine with", Default: "go",
	})
	Squawk = lasting(declaration{
		Name: "SQUAWK", Group: machine,
		readers: []string{"migrate-dev validate", "migrate-dev lint", "migrate-dev plan", "migrate-dev doctor"},
		Meaning: "Another squawk than the one in `tools/migrate/bin`",
	})
	NoColor = typed(declaration{
		Name: "NO_COLOR", Group: machine, readers: doctor, Meaning: "Whatever it holds, `migrate-doctor` writes without colour",
	})
	Term = typed(declaration{
		Name: "TERM", Group: machine, readers: doctor, Meaning: "`dumb` is a terminal without colour; the terminal sets it",
	})
	GitHubActions = typed(declaration{
		Name: "GITHUB_ACTIONS", Group: machine, readers: []string{"migrate-dev validate", "migrate-dev lint", "migrate-dev doctor"},
		Meaning: "`true` puts findings beside their lines in a pull request; GitHub sets it",
	})
	GitHubStepSummary = typed(declaration{
		Name: "GITHUB_STEP_SUMMARY", Group: machine, readers: []string{"migrate-dev check"},
		Meaning: "The file of the summary that `migrate-check` appends to; GitHub sets it",
	})
)
