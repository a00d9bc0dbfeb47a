// Package sortedset is the side of Redis: writes that a later one has overtaken are refused there, and sets are exchanged as a
// whole. It knows nothing of PostgreSQL.
//
// May import: config, connection, environment, failure.
package sortedset

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

// Server is the Redis that holds the sorted sets.
type Server struct {
	client  *redis.Client
	address string
}

// composeHost is the service of compose, which speaks no TLS.
const composeHost = "redis"

// patience is how long one answer may take: after it the write counts as not done, and is done again.
const patience = 5 * time.Second

// Resolve reads REDIS_URL, or the file that REDIS_URL_FILE names, and refuses what the environment does not allow. No
// sentence repeats the address as it is written there: it holds a password.
func Resolve(settings config.Settings, where environment.Environment) (*Server, error) {
	setting, err := connection.Secret(settings, config.RedisURL)
	if err != nil {
		return nil, err
	}
	if !setting.Present() {
		return nil, failure.Refused("REDIS_URL is not set: set it, or REDIS_URL_FILE, to the address of Redis, " +
			"as in redis://localhost:6379/0")
	}
	parsed, err := url.Parse(setting.Value)
	if err != nil {
		return nil, failure.Refused("%s is no address: write it as rediss://user:password@host:6379/0, "+
			"and special characters of the password percent-encoded", setting.Name)
	}
	if parsed.Scheme != "redis" && parsed.Scheme != "rediss" {
		return nil, failure.Refused("%s begins with %q: write it with redis:// or, for TLS, rediss://", setting.Name, parsed.Scheme+":")
	}
	host := environment.NewHost(parsed.Hostname())
	rules := environment.Rules{PlaintextHosts: []string{composeHost}}
	if parsed.Scheme == "redis" && where.DemandedSSLMode(rules, host) >= environment.SSLRequire {
		return nil, failure.Refused("%s is redis://, but %s on host %q demands TLS: write rediss://", setting.Name, where, host.Name)
	}
	options, err := redis.ParseURL(setting.Value)
	if err != nil {
		return nil, failure.Refused("%s has a database or a parameter that cannot be used: "+
			"write it as rediss://user:password@host:6379/0", setting.Name)
	}
	if options.TLSConfig != nil {
		if options.TLSConfig.InsecureSkipVerify {
			return nil, failure.Refused("%s says that no certificate shall be checked: remove skip_verify from it, and name "+
				"the server's CA in REDIS_SSL_ROOT_CERT", setting.Name)
		}
		if err := trust(options.TLSConfig, settings.Get(config.RedisSSLRootCert).Value); err != nil {
			return nil, err
		}
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = patience, patience, patience
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	options.MaxRetries = -1 // the worker tries again, with what the rows are then
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Server{client: redis.NewClient(options), address: options.Addr}, nil
}

// silent keeps the client's own words, whose news arrive as errors, out of the report.
type silent struct{}

// Printf says nothing.
func (silent) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(silent{}) }

// trust adds a CA to those of the operating system.
func trust(settings *tls.Config, file string) error {
	if file == "" {
		return nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return failure.Refused("REDIS_SSL_ROOT_CERT names %q, which cannot be read: mount the CA's certificate there", file)
	}
	settings.RootCAs, err = x509.SystemCertPool()
	if err != nil {
		settings.RootCAs = x509.NewCertPool()
	}
	if !settings.RootCAs.AppendCertsFromPEM(content) {
		return failure.Refused("REDIS_SSL_ROOT_CERT names %q, which holds no certificate: write it in PEM", file)
	}
	return nil
}

// Check refuses a server that cannot be reached, or that would throw away sets whose rows are still there.
func (s *Server) Check(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return failure.Unreachable("Redis at %s did not answer (%s): start it, or correct REDIS_URL", s.address, reason(err))
	}
	// Who may not ask is not refused: the documents say how Redis has to be set up.
	memory, _ := s.client.Info(ctx, "memory").Result()
	for line := range strings.Lines(memory) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "maxmemory_policy" && strings.HasPrefix(value, "allkeys-") {
			return failure.Refused("Redis at %s has maxmemory-policy %s, which throws away sorted sets whose rows are still in the table: "+
				"set it to noeviction or a volatile- policy", s.address, value)
		}
	}
	return nil
}

// Close ends the connections.
func (s *Server) Close() error { return s.client.Close() }

// Address is the server in a form for people.
func (s *Server) Address() string { return s.address }

// Error is what went wrong on the side of Redis.
type Error struct {
	address string
	err     error
}

// Error says which server it was.
func (e *Error) Error() string { return "Redis at " + e.address + ": " + reason(e.err) }

// Unwrap returns what the client said.
func (e *Error) Unwrap() error { return e.err }

func (s *Server) failed(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	return &Error{s.address, err}
}

func reason(err error) string {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer"
	}
	return err.Error()
}
