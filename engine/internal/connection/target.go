// Package connection finds out which database is meant, how the connection is protected, and opens the one session that a run
// works in. It knows no migration, and never repeats a secret in a message.
//
// May import: config, environment, failure, patience, sqlstate, sqltext.
package connection

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

// Target is the database that a run works on.
type Target struct {
	Environment environment.Environment
	Database    string
	User        string
	SSLMode     environment.SSLMode
	// DemandedSSLMode is the weakest that the environment takes.
	DemandedSSLMode environment.SSLMode
	// Inferred tells that nobody has said the environment.
	Inferred bool
	// EnvironmentFrom and SSLModeFrom tell people what decided.
	EnvironmentFrom, SSLModeFrom string

	wait, statementTimeout time.Duration

	config *pgx.ConnConfig
	// rootCert is what the server's certificate is held against, and passwordInURL tells that DB_URL holds the password.
	rootCert      string
	passwordInURL bool
	// secrets are what no message may repeat, and parameters are what the address asks for beside the server.
	secrets    []string
	parameters map[string]string
	// session are the settings that the run's session has to have.
	session map[string]string
	// local are the session's settings where they cannot be given to the session: behind a pooler.
	local map[string]string
}

// Pooled tells that the connection leads to a pooler, which may give each transaction another session of the server.
func (t Target) Pooled() bool { return t.local != nil }

// The limits of the session. They live in the server, because a client that has gone away limits nothing.
const (
	lockTimeout              = 3 * time.Second
	idleInTransactionTimeout = time.Minute
	connectionCheckInterval  = 2 * time.Second
	cancelGracePeriod        = 5 * time.Second
	encoding                 = "UTF8" // the files', whatever the database's encoding is
)

// Resolve decides which database is meant and refuses what its environment does not allow.
func Resolve(settings config.Settings, project config.Project) (Target, error) {
	chosen, err := readFields(settings, project.Database)
	if err != nil {
		return Target{}, err
	}
	host := environment.NewHost(chosen.host)
	where, from, err := resolveEnvironment(settings, host)
	if err != nil {
		return Target{}, err
	}
	protection, err := decideTransport(settings, chosen, host, where, project.Rules(where))
	if err != nil {
		return Target{}, err
	}
	statementTimeout, err := settings.Seconds(config.Timeout)
	if err != nil {
		return Target{}, err
	}
	wait, err := settings.Seconds(config.ConnectTimeout)
	if err != nil {
		return Target{}, err
	}
	if err := chosen.forUs(project.Lock); err != nil {
		return Target{}, err
	}
	chosen.more["sslpassword"] = cmp.Or(chosen.more["sslpassword"], settings.Get(config.PGSSLPassword).Value)
	if chosen.more["sslpassword"] == "" {
		delete(chosen.more, "sslpassword")
	}
	parsed, err := buildConfig(chosen, protection)
	if err != nil {
		return Target{}, err
	}
	parsed.RuntimeParams["client_encoding"] = encoding
	parsed.RuntimeParams["application_name"] = strings.TrimSuffix("migrate/"+project.Service, "/")
	session := map[string]string{
		"custom.environment":                  string(where),
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleInTransactionTimeout),
		"idle_session_timeout":                "0", // it waits for its lock
		"client_connection_check_interval":    milliseconds(connectionCheckInterval),
	}
	var local map[string]string
	if project.Lock == config.TableLock { // a pooler refuses what it does not know when a session begins
		local = session
	} else {
		maps.Copy(parsed.RuntimeParams, session)
	}
	target := Target{
		Environment: where,
		Database:    parsed.Database,
		User:        parsed.User,
		SSLMode:     protection.mode,

		DemandedSSLMode: protection.demanded,
		Inferred:        settings.Lookup(config.EnvironmentName).Source == config.Nowhere,
		EnvironmentFrom: from,
		SSLModeFrom:     protection.from,

		wait: wait, statementTimeout: statementTimeout,

		config:        parsed,
		rootCert:      protection.rootCert,
		passwordInURL: chosen.passwordInURL,
		session:       session,
		secrets:       append(chosen.secrets(), parsed.Password),

		parameters: chosen.more,

		local: local,
	}
	return target.withKeepalive(), nil
}

// Elsewhere is the same server and login with another database.
func (t Target) Elsewhere(database string) Target {
	t.config = t.config.Copy()
	t.config.Database = database
	t.Database = database
	return t
}

// Impatient is the target for somebody who does not wait for a database to come up.
func (t Target) Impatient() Target {
	t.wait = time.Second
	return t
}

// Follow takes over the environment that the database is marked with where it is the stricter one, and tells whether it is.
func (t *Target) Follow(marker string, say func(format string, values ...any)) (stricter bool, err error) {
	marked, err := t.Environment.Stricter(marker)
	if err != nil || marked == t.Environment {
		return false, err
	}
	say("database %s is marked as %s, although ENVIRONMENT is %s: the rules of %s hold", t.Database, marked, t.Environment, marked)
	t.Environment = marked
	return true, nil
}

// Address is the server in a form for people.
func (t Target) Address() string {
	if strings.HasPrefix(t.config.Host, "/") {
		return t.config.Host
	}
	return net.JoinHostPort(t.config.Host, strconv.Itoa(int(t.config.Port)))
}

// resolveEnvironment also tells where the environment comes from.
func resolveEnvironment(settings config.Settings, host environment.Host) (environment.Environment, string, error) {
	setting := settings.Lookup(config.EnvironmentName)
	if setting.Source == config.Nowhere {
		inferred, err := environment.Infer(host)
		return inferred, "because the database is on this machine", err
	}
	parsed, err := environment.Parse(setting.Value)
	return parsed, "from " + setting.Origin(), err
}

// buildConfig hands pgx everything but the password as text; no text that could be quoted back ever holds it.
func buildConfig(chosen fields, protection transport) (*pgx.ConnConfig, error) {
	if port, err := strconv.Atoi(chosen.port); err != nil || port < 1 || port > 65535 {
		return nil, failure.Refused("the database port is %q: it is a number from 1 to 65535: correct DB_PORT", chosen.port)
	}
	parameters := map[string]string{
		"host": chosen.host, "port": chosen.port, "dbname": chosen.database, "user": chosen.user,
		"sslmode": protection.mode.String(), "sslrootcert": protection.rootCert,
	}
	var text strings.Builder
	for _, source := range []map[string]string{chosen.more, parameters} {
		for name, value := range source {
			fmt.Fprintf(&text, "%s='%s' ", name, quote.Replace(value))
		}
	}
	parsed, err := pgx.ParseConfig(text.String())
	if err != nil {
		return nil, failure.Refused("the connection settings cannot be used: %s: correct DB_URL or the PG* variables",
			redact(innermost(err), chosen.secrets()))
	}
	parsed.Password = cmp.Or(chosen.password, parsed.Password)
	// An unnamed statement is one round trip where a prepared one is two, and needs no state in the server.
	parsed.DefaultQueryExecMode = pgx.QueryExecModeExec
	parsed.BuildFrontend = refuseCopy
	// Without this an interrupted run leaves its statement, and its locks, behind in the server.
	parsed.BuildContextWatcherHandler = func(session *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: session, DeadlineDelay: cancelGracePeriod}
	}
	return parsed, nil
}

var quote = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func (f fields) secrets() []string {
	return slices.DeleteFunc([]string{f.password, f.more["sslpassword"]}, func(s string) bool { return s == "" })
}

func milliseconds(duration time.Duration) string {
	return strconv.FormatInt(duration.Milliseconds(), 10)
}
