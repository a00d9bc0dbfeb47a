package connection

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Session opens one more session on the target's server, for what needs more of a connection than database/sql shows: the
// server's messages, the id of the session. Its settings are given to change first. It does not wait for a server that is
// not there; the error is a sentence.
func (t Target) Session(ctx context.Context, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	config := t.config.Copy()
	change(config)
	connection, err := withPassword(config, func(config *pgx.ConnConfig) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config) })
	if err != nil {
		return nil, t.explain(err, 0)
	}
	return connection, nil
}
