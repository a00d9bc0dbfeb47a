package operate

import (
	"context"
	"fmt"
	"time"
)

const endpointQuery = `
SELECT current_setting('server_version'), current_database(), current_user,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)`

// Endpoint is what a session finds at its other end.
type Endpoint struct {
	Version        string // of PostgreSQL, as in 15.4
	Database, User string
	Encrypted      bool // the session goes through TLS
}

// Endpoint asks the server who and what it is.
func (s *Session) Endpoint(ctx context.Context) (Endpoint, error) {
	var found Endpoint
	err := s.QueryRowContext(ctx, endpointQuery).Scan(&found.Version, &found.Database, &found.User, &found.Encrypted)
	if err != nil {
		return Endpoint{}, s.Unreadable(ctx, "pg_stat_ssl", err)
	}
	return found, nil
}

// Ping opens a session the way every other operation does, and prints what it found at the other end.
func (e *Engine) Ping(ctx context.Context) error {
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	started := time.Now()
	found, err := session.Endpoint(ctx)
	if err != nil {
		return err
	}
	took := time.Since(started)
	protection := "no TLS"
	if found.Encrypted {
		protection = "TLS"
	}
	fmt.Fprintf(e.Terminal.Out, "PostgreSQL %s at %s, database %s, user %s, %s (sslmode %s), environment %s, %.1f ms\n",
		found.Version, session.Target.Address(), found.Database, found.User, protection, session.Target.SSLMode, session.Target.Environment,
		float64(took.Microseconds())/1000)
	return nil
}
