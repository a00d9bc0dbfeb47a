package run

import (
	"context"
	"fmt"
	"time"
)

const pingQuery = `
SELECT current_setting('server_version'), current_database(), current_user,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)`

// Ping opens a session the way every other operation does, and prints what it found at the other end.
func (e *Engine) Ping(ctx context.Context) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	started := time.Now()
	var version, database, user string
	var encrypted bool
	if err := session.QueryRowContext(ctx, pingQuery).Scan(&version, &database, &user, &encrypted); err != nil {
		return session.unreadable(ctx, "pg_stat_ssl", err)
	}
	took := time.Since(started)
	protection := "no TLS"
	if encrypted {
		protection = "TLS"
	}
	fmt.Fprintf(e.terminal.Out, "PostgreSQL %s at %s, database %s, user %s, %s (sslmode %s), environment %s, %.1f ms\n",
		version, session.target.Address(), database, user, protection, session.target.SSLMode, session.target.Environment,
		float64(took.Microseconds())/1000)
	return nil
}
