package connection

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"avion.internal/migrate/internal/failure"
)

// ErrEndedTransaction is the error of a statement that ended the transaction it ran in: what ran up to there is committed, or
// gone, and no longer goes together with its line in the version table.
var ErrEndedTransaction = errors.New("a statement ended its transaction by itself: what it committed stays")

// controls are the commands after which a transaction is another one, although the session may be in one again.
var controls = []string{"BEGIN", "START TRANSACTION", "COMMIT", "PREPARE TRANSACTION"}

// settles are the commands that may change a setting.
var settles = []string{"SET", "RESET", "SELECT", "DO", "CALL", "DISCARD", "ROLLBACK"}

// message sends SQL that has no arguments in one message of the simple protocol. It returns the commands that the server says
// it ran, and how many rows the last one touched.
func (c *conn) message(ctx context.Context, text string) (commands []string, rows int64, err error) {
	session := c.physical.Conn().PgConn()
	if session.IsClosed() {
		return nil, 0, driver.ErrBadConn
	}
	ctx, cancel := c.within(ctx, text)
	defer cancel()
	results := session.Exec(ctx, text)
	for results.NextResult() {
		tag, _ := results.ResultReader().Close()
		rows = tag.RowsAffected()
		commands = append(commands, strings.TrimRight(tag.String(), " 0123456789"))
	}
	err = results.Close()
	if err != nil && pgconn.SafeToRetry(err) {
		return nil, 0, driver.ErrBadConn
	}
	return commands, rows, copyRefused(err)
}

// execute is message for a statement of a file: it must leave the transaction that it runs in, and the limits, as they were.
func (c *conn) execute(ctx context.Context, opening []string, text string) (int64, error) {
	commands, rows, err := c.message(ctx, sequence(opening)+text)
	if c.open == nil || len(commands) < len(opening) {
		return rows, err
	}
	commands = commands[len(opening):]
	left := c.status() == noTransaction && !c.physical.Conn().PgConn().IsClosed()
	switch {
	case left || slices.ContainsFunc(commands, func(command string) bool { return slices.Contains(controls, command) }):
		return rows, endedTransaction(err)
	case err != nil:
		return rows, err
	}
	if c.settings != nil && limitsOf(ctx).alone && slices.Contains(commands, "SET") {
		return rows, failure.Refused("SET does not outlast its statement behind a pooler, where each transaction may have another session: " +
			"name schemas where they are used, or give the file a transaction")
	}
	if slices.ContainsFunc(commands, func(command string) bool { return slices.Contains(settles, command) }) {
		err = c.reassert(ctx)
	}
	return rows, err
}

// endedTransaction keeps what came after the end, if that failed.
func endedTransaction(err error) error {
	if err == nil {
		return ErrEndedTransaction
	}
	return fmt.Errorf("%w (%w)", ErrEndedTransaction, err)
}

// grace is how much longer than the server the client waits for the end of a statement.
const grace = 5 * time.Second

// within is the client's half of the statement timeout, for what a file may do to the server's inside one message. A block is
// as many statements as it has semicolons, and the server gives each of them the whole time.
func (c *conn) within(ctx context.Context, text string) (context.Context, context.CancelFunc) {
	limit := limitsOf(ctx).statement()
	switch {
	case limit == 0:
		return ctx, func() {}
	case c.settings != nil && c.open == nil: // nobody else keeps it
		return context.WithTimeout(ctx, limit)
	}
	return context.WithTimeout(ctx, limit*time.Duration(1+strings.Count(strings.TrimRight(text, "; \n"), ";"))+grace)
}

// noData is what COPY … FROM stdin is told: a file has nobody who could send it anything, and the server would wait for ever.
const noData = "COPY … FROM stdin needs data that a migration cannot send: write the rows as INSERT, or load them with psql"

// copyRefused gives the refusal an SQLSTATE of its own: the server takes it for a cancelled query.
func copyRefused(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && strings.Contains(server.Message, noData) {
		return &pgconn.PgError{Severity: server.Severity, Code: pgerrcode.FeatureNotSupported, Message: noData}
	}
	return err
}

// refuseCopy builds the frontend of a connection that answers the server's wish for COPY data with CopyFail.
func refuseCopy(r io.Reader, w io.Writer) *pgproto3.Frontend {
	return pgproto3.NewFrontend(&copyRefuser{from: r, to: w}, w)
}

// copyRefuser reads what the server sends, message by message: a byte for its type, four for its length, its body.
type copyRefuser struct {
	from   io.Reader
	to     io.Writer
	header []byte
	body   int
}

// Read passes on what it reads.
func (c *copyRefuser) Read(into []byte) (int, error) {
	length, err := c.from.Read(into)
	for rest := into[:length]; len(rest) > 0; {
		if c.body > 0 {
			passed := min(c.body, len(rest))
			c.body, rest = c.body-passed, rest[passed:]
			continue
		}
		taken := min(5-len(c.header), len(rest))
		c.header, rest = append(c.header, rest[:taken]...), rest[taken:]
		if len(c.header) < 5 {
			continue
		}
		if c.header[0] == 'G' { // CopyInResponse
			fail, _ := (&pgproto3.CopyFail{Message: noData}).Encode(nil)
			if _, err := c.to.Write(fail); err != nil {
				return length, err
			}
		}
		c.body, c.header = int(binary.BigEndian.Uint32(c.header[1:]))-4, c.header[:0]
	}
	return length, err
}
