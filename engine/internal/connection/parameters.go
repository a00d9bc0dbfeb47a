package connection

import (
	"maps"
	"slices"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

// pointless are the parameters that other libraries read, and that say nothing about the one session of a run: how they keep
// it alive (the engine has its own way), and how many they keep.
var pointless = []string{
	"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "fallback_application_name", "load_balance_hosts",
	"sslcompression", "gssdelegation", "gsslib",
	"pool", "pool_size", "pool_timeout", "pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period",
	"pool_max_conn_lifetime_jitter", "connection_limit", "max_connections", "socket_timeout", "statement_cache_size", "statement_cache_capacity",
	"statement_cache_mode", "description_cache_capacity", "default_query_exec_mode", "prefer_simple_protocol", "prepared_statements", "binary_parameters",
}

// refused are parameters that ask for something that would not be done, with what to do instead.
var refused = map[string]string{
	"schema":          "the engine has no such parameter: write search_path in its place, or name the schema in the migrations",
	"currentSchema":   "the engine has no such parameter: write search_path in its place, or name the schema in the migrations",
	"hostaddr":        "the engine looks up the host itself: name the address as the host, or leave hostaddr out",
	"ssl":             "the engine has no such parameter: write sslmode=verify-full, or set DB_SSL_MODE",
	"sslaccept":       "the engine has no such parameter: write sslmode=verify-full, or set DB_SSL_MODE",
	"sslidentity":     "the engine reads no PKCS#12 file: write sslkey and sslcert",
	"sslcrl":          "revocation lists are not checked: leave it out",
	"sslcrldir":       "revocation lists are not checked: leave it out",
	"requirepeer":     "the engine does not check the owner of a socket: leave it out",
	"replication":     "a migration needs an ordinary session: leave it out",
	"client_encoding": "the engine sends UTF-8, as the files are: leave it out",
}

// forUs takes out of the address what concerns only other programs, and refuses what the engine could not do.
func (f fields) forUs(lock config.Lock) error {
	for _, name := range slices.Sorted(maps.Keys(f.more)) {
		instead, found := refused[name]
		switch {
		case found:
			return failure.Refused("DB_URL asks for %q: %s", name, instead)
		case name == "gssencmode" && f.more[name] == "require":
			return failure.Refused("DB_URL asks for %q: the engine encrypts with TLS only: write gssencmode=disable, and see to sslmode", name)
		case name == "pgbouncer" && f.more[name] == "true" && lock != config.TableLock:
			return failure.Refused("DB_URL says that it leads through PgBouncer (pgbouncer=true): write lock: table in %s, or name the server itself", config.ProjectFile)
		case name == "gssencmode", name == "pgbouncer", slices.Contains(pointless, name):
			delete(f.more, name)
		}
	}
	return nil
}
