package connection

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/text/unicode/norm"

	"avion.internal/migrate/internal/sqlstate"
)

// login opens a session that is what it was asked to be.
func (t Target) login(ctx context.Context) (driver.Conn, error) {
	connection, err := withPassword(t.config, func(config *pgx.ConnConfig) (driver.Conn, error) {
		return stdlib.GetConnector(*config).Connect(ctx)
	})
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

// withPassword opens a session. PostgreSQL and libpq fold compatibility characters in a password (full-width letters,
// ligatures) where pgx does not, so that a password that psql takes would be refused.
func withPassword[C any](config *pgx.ConnConfig, open func(*pgx.ConnConfig) (C, error)) (C, error) {
	connection, err := open(config)
	folded := norm.NFKC.String(config.Password)
	if !sqlstate.Is(err, pgerrcode.InvalidPassword) || folded == config.Password {
		return connection, err
	}
	config = config.Copy()
	config.Password = folded
	return open(config)
}
