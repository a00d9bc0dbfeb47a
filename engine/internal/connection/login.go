package connection

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/text/unicode/norm"

	"avion.internal/migrate/internal/sqlstate"
)

// login opens a session that is what it was asked to be.
func (t Target) login(ctx context.Context) (driver.Conn, error) {
	connection, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	err = t.settle(ctx, connection)
	if err == nil {
		return connection, nil
	}
	_ = connection.Close()
	if errors.Is(err, errTransactionTimeout) {
		return t.overruled().login(ctx)
	}
	return nil, err
}

// connect opens a session. PostgreSQL and libpq fold compatibility characters in a password (full-width letters,
// ligatures) where pgx does not, so that a password that psql takes would be refused.
func (t Target) connect(ctx context.Context) (driver.Conn, error) {
	connection, err := stdlib.GetConnector(*t.config).Connect(ctx)
	if !sqlstate.Is(err, pgerrcode.InvalidPassword) {
		return connection, err
	}
	folded := t.config.Copy()
	folded.Password = norm.NFKC.String(t.config.Password)
	if folded.Password == t.config.Password {
		return nil, err
	}
	return stdlib.GetConnector(*folded).Connect(ctx)
}
