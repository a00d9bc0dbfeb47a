package connection

import (
	"context"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"avion.internal/migrate/internal/sqlstate"
)

// Session opens one more session on the target's server, for what needs more of a connection than database/sql shows: the
// server's messages, the id of the session. Its settings are given to change first. It does not wait for a server that is
// not there; the error is a sentence.
func (t Target) Session(ctx context.Context, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	config := t.config.Copy()
	change(config)
	connection, err := pgx.ConnectConfig(ctx, config)
	if sqlstate.Is(err, pgerrcode.InvalidPassword) { // as in login
		config.Password = norm.NFKC.String(config.Password)
		connection, err = pgx.ConnectConfig(ctx, config)
	}
	if err != nil {
		return nil, t.explain(err, 0)
	}
	return connection, nil
}
