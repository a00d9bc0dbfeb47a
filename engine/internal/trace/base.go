package trace

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/sqlstate"
)

// Base is a database with what was there before: the migrations of the branch that the work is merged to, and its test data.
type Base struct {
	// Missing says what could not be brought there, a sentence each.
	Missing []string

	server   *Server
	database string
}

// Base makes a database with files applied, or finds the one with the same content. Of a file that the server refuses in
// part, the rest is there all the same.
func (s *Server) Base(ctx context.Context, files []File) (*Base, error) {
	s.alone.Lock()
	defer s.alone.Unlock()
	content := sha256.New()
	for _, file := range files {
		fmt.Fprintf(content, "%q %t\n", file.Name, file.NoTransaction)
		for _, statement := range file.Statements {
			fmt.Fprintf(content, "%q\n", statement.Text)
		}
	}
	sum := [32]byte(content.Sum(nil))
	if known := s.bases[sum]; known != nil {
		return known, nil
	}
	database, err := s.create(ctx, "")
	if err != nil {
		return nil, err
	}
	base := &Base{server: s, database: database}
	session, err := s.session(ctx, database, func(*pgx.ConnConfig) {})
	if err != nil {
		return nil, err
	}
	defer session.Close(ctx)
	for _, file := range files {
		if err := base.apply(ctx, session, file); err != nil {
			return nil, err
		}
	}
	s.bases[sum] = base
	return base, nil
}

// Copy makes a database like a base, which lasts as long as the server is open, and returns its name.
func (s *Server) Copy(ctx context.Context, base *Base) (string, error) {
	s.alone.Lock()
	defer s.alone.Unlock()
	return s.create(ctx, base.database)
}

// Drop removes the database before the server is closed.
func (b *Base) Drop(ctx context.Context) error {
	b.server.alone.Lock()
	defer b.server.alone.Unlock()
	for sum, each := range b.server.bases {
		if each == b {
			delete(b.server.bases, sum)
		}
	}
	return b.server.drop(ctx, b.database)
}

const savepoint = "trace_statement"

func (b *Base) apply(ctx context.Context, session *pgx.Conn, file File) error {
	units, err := Units(file.Statements)
	if err != nil {
		return err
	}
	if !file.NoTransaction {
		if err := run(ctx, session, "BEGIN"); err != nil {
			return err
		}
	}
	for _, unit := range units {
		reason := unit.refused()
		if reason == "" {
			reason = b.applyUnit(ctx, session, unit, file.NoTransaction)
		}
		if session.IsClosed() {
			return fmt.Errorf("%s line %d: %s", file.Name, unit.Line, reason)
		}
		if reason != "" {
			b.Missing = append(b.Missing, fmt.Sprintf("%s line %d: %s", file.Name, unit.Line, reason))
		}
	}
	if file.NoTransaction {
		return nil
	}
	if err := run(ctx, session, "COMMIT"); err != nil {
		b.Missing = append(b.Missing, file.Name+": "+sentence(err))
	}
	return nil
}

// applyUnit returns why a statement did not run.
func (b *Base) applyUnit(ctx context.Context, session *pgx.Conn, unit Unit, alone bool) string {
	if !alone {
		_ = run(ctx, session, "SAVEPOINT "+savepoint)
	}
	err := run(ctx, session, unit.Text)
	if sqlstate.Is(err, pgerrcode.InsufficientPrivilege) && unit.kind() == "CreateExtensionStmt" && b.server.role != "" {
		// What is merged, a superuser of the same server has installed before.
		err = b.asSuperuser(ctx, unit.Text)
	}
	if err != nil && !alone {
		_ = run(ctx, session, "ROLLBACK TO "+savepoint)
	}
	if !alone {
		_ = run(ctx, session, "RELEASE "+savepoint)
	}
	if err != nil {
		return sentence(err)
	}
	return ""
}

func (b *Base) asSuperuser(ctx context.Context, text string) error {
	session, err := b.server.dial(ctx, b.database, func(*pgx.ConnConfig) {})
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	return run(ctx, session, text)
}

// run sends a text in the simple protocol, which takes any number of statements, and throws away what they return.
func run(ctx context.Context, session *pgx.Conn, text string) error {
	results := session.PgConn().Exec(ctx, text)
	for results.NextResult() {
		rows := results.ResultReader()
		for rows.NextRow() {
		}
		if _, err := rows.Close(); err != nil {
			results.Close()
			return err
		}
	}
	return results.Close()
}

// sentence is what the server said.
func sentence(err error) string {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("PostgreSQL said: %s (SQLSTATE %s)", server.Message, server.Code)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
