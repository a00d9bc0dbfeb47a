package connection

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// physical is pgx's connection under a name that leaves room for its method Conn.
type physical = stdlib.Conn

// conn is the connection of a run.
type conn struct {
	*physical
	// settings are set in every transaction: a pooler gives each another session of the server. Nil without a pooler.
	settings map[string]string
	open     *transaction
}

// transaction is one of conn; its last statement, if it has one, waits for COMMIT.
type transaction struct {
	driver.Tx
	ctx  context.Context
	conn *conn
	last *statement
}

type statement struct {
	before, query string
	arguments     []driver.NamedValue
}

type lastKey struct{}

// Last marks a statement as the last of its transaction: it is kept and sent together with COMMIT, which spares a round
// trip, so that an error of it shows only then. Outside of a transaction it is sent at once. The statements in before go
// ahead of it in the same message.
func Last(ctx context.Context, before string) context.Context {
	return context.WithValue(ctx, lastKey{}, before)
}

// BeginTx begins a transaction, behind a pooler with the settings of the run and of the file.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	begun, err := c.physical.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	if c.settings != nil {
		settings := maps.Clone(c.settings)
		maps.Copy(settings, limitsOf(ctx))
		if _, err := c.physical.ExecContext(ctx, setLocal(settings), nil); err != nil {
			_ = begun.Rollback()
			return nil, err
		}
	}
	c.open = &transaction{Tx: begun, ctx: ctx, conn: c}
	return c.open, nil
}

// ExecContext runs a statement, or keeps it for COMMIT.
func (c *conn) ExecContext(ctx context.Context, query string, arguments []driver.NamedValue) (driver.Result, error) {
	before, isLast := ctx.Value(lastKey{}).(string)
	if !isLast {
		return c.physical.ExecContext(ctx, query, arguments)
	}
	last := &statement{before, query, arguments}
	if c.open != nil {
		c.open.last = last
		return driver.RowsAffected(0), nil
	}
	err := c.send(ctx, last, "")
	if notSent(err) {
		err = c.sendApart(ctx, last)
	}
	return driver.RowsAffected(0), err
}

// Commit sends the last statement and COMMIT in one message, of which the server does nothing more after an error.
func (t *transaction) Commit() error {
	t.conn.open = nil
	if t.last == nil {
		return t.Tx.Commit()
	}
	err := t.conn.send(t.ctx, t.last, "; COMMIT")
	if notSent(err) {
		if err = t.conn.sendApart(t.ctx, t.last); err == nil {
			return t.Tx.Commit()
		}
	}
	if err != nil {
		_ = t.Tx.Rollback()
	}
	return err
}

// Rollback forgets the last statement with all others.
func (t *transaction) Rollback() error {
	t.conn.open = nil
	return t.Tx.Rollback()
}

// send puts several statements into one message, which only the simple protocol can.
func (c *conn) send(ctx context.Context, last *statement, after string) error {
	arguments := append([]driver.NamedValue{{Value: pgx.QueryExecModeSimpleProtocol}}, last.arguments...)
	_, err := c.physical.ExecContext(ctx, last.before+"; "+last.query+after, arguments)
	return err
}

func (c *conn) sendApart(ctx context.Context, last *statement) error {
	if _, err := c.physical.ExecContext(ctx, last.before, nil); err != nil {
		return err
	}
	_, err := c.physical.ExecContext(ctx, last.query, last.arguments)
	return err
}

// notSent recognises pgx's refusal to write values into a statement while the session has another encoding, or other
// rules for strings, than it knows how to write them in.
func notSent(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "simple protocol queries must be run with")
}

func setLocal(settings map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		calls = append(calls, "set_config("+literal(name)+", "+literal(settings[name])+", true)")
	}
	return "SELECT " + strings.Join(calls, ", ")
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
