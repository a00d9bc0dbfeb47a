package connection

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// transaction is one of conn. BEGIN shares a message with its first statement and COMMIT with its last, which spares two
// round trips.
type transaction struct {
	ctx  context.Context
	conn *conn
	// opening are the statements that have to be sent ahead of the first one; none once they were.
	opening []string
	last    *statement
}

type statement struct {
	before, query string
	arguments     []driver.NamedValue
}

type lastKey struct{}

// Last marks a statement as the last of its transaction: it is kept and sent together with COMMIT, so that an error of it
// shows only then. Outside of a transaction it is sent at once. The statements in before, but for empty ones, go ahead of it in the same message.
func Last(ctx context.Context, before ...string) context.Context {
	before = slices.DeleteFunc(slices.Clone(before), func(text string) bool { return text == "" })
	return context.WithValue(ctx, lastKey{}, strings.Join(before, "; "))
}

// BeginTx prepares a transaction, behind a pooler with the settings of the run and of the file.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if options.Isolation != 0 {
		return nil, errors.New("the isolation of a transaction is that of its session")
	}
	opening := []string{"BEGIN"}
	if options.ReadOnly {
		opening = []string{"BEGIN READ ONLY"}
	}
	settings := maps.Clone(limitsOf(ctx).settings)
	if c.settings != nil {
		settings = maps.Clone(c.settings)
		maps.Copy(settings, limitsOf(ctx).settings)
	}
	c.open = &transaction{ctx: ctx, conn: c, opening: append(opening, set("SET LOCAL", settings)...)}
	return c.open, nil
}

// ahead are the statements that have to be sent ahead of the next one.
func (c *conn) ahead() []string {
	if c.open == nil {
		return nil
	}
	opening := c.open.opening
	c.open.opening = nil
	return opening
}

// begin opens the transaction for a statement that needs a message of its own.
func (c *conn) begin(ctx context.Context) error {
	opening := c.ahead()
	if opening == nil {
		return nil
	}
	_, _, err := c.message(ctx, sequence(opening))
	return err
}

// sequence writes statements so that another one can follow them in the same message.
func sequence(statements []string) string {
	if len(statements) == 0 {
		return ""
	}
	return strings.Join(statements, "; ") + "; "
}

// ExecContext runs a statement, or keeps it for COMMIT.
func (c *conn) ExecContext(ctx context.Context, query string, arguments []driver.NamedValue) (driver.Result, error) {
	before, isLast := ctx.Value(lastKey{}).(string)
	switch {
	case !isLast && len(arguments) == 0:
		opening := c.ahead()
		if err := c.limit(ctx); err != nil {
			return nil, err
		}
		rows, err := c.execute(ctx, opening, query)
		return driver.RowsAffected(rows), moved(err, utf8.RuneCountInString(sequence(opening)))
	case !isLast:
		if err := c.begin(ctx); err != nil {
			return nil, err
		}
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

// QueryContext runs a statement that answers.
func (c *conn) QueryContext(ctx context.Context, query string, arguments []driver.NamedValue) (driver.Rows, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return c.physical.QueryContext(ctx, query, arguments)
}

// PrepareContext lets the server read a statement that runs later.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return c.physical.PrepareContext(ctx, query)
}

// moved says where in the statement an error is that the server found behind so many characters more.
func moved(err error, opening int) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Position > 0 {
		server.Position -= int32(opening)
	}
	return err
}

// Commit sends the last statement and COMMIT in one message, of which the server does nothing more after an error.
func (t *transaction) Commit() error {
	err := t.commit()
	if err != nil {
		_ = t.Rollback()
	}
	t.conn.open = nil
	return err
}

func (t *transaction) commit() error {
	if t.last != nil {
		t.last.before = sequence(t.conn.ahead()) + t.last.before
		if err := t.conn.send(t.ctx, t.last, "; COMMIT"); !notSent(err) {
			return err
		}
		if err := t.conn.sendApart(t.ctx, t.last); err != nil {
			return err
		}
	}
	switch t.conn.status() {
	case noTransaction:
		return nil
	case failedTransaction:
		return pgx.ErrTxCommitRollback
	}
	_, err := t.conn.physical.ExecContext(t.ctx, "COMMIT", nil)
	return err
}

// Rollback forgets the last statement with all others. Where the server cannot be told so, it finds the connection closed.
func (t *transaction) Rollback() error {
	t.conn.open = nil
	if t.conn.status() == noTransaction {
		return nil
	}
	_, err := t.conn.physical.ExecContext(t.ctx, "ROLLBACK", nil)
	if err != nil {
		_ = t.conn.Close()
	}
	return err
}

// What the server says of the session's transaction after each message.
const (
	noTransaction     = 'I'
	inTransaction     = 'T'
	failedTransaction = 'E'
)

func (c *conn) status() byte { return c.physical.Conn().PgConn().TxStatus() }

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
