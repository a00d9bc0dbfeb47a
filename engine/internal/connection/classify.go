package connection

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqlstate"
)

// worthWaiting tells whether a server that refused a session may accept one in a moment.
func worthWaiting(err error) bool {
	if code := sqlstate.Of(err); code != "" {
		return code == pgerrcode.CannotConnectNow || code == pgerrcode.TooManyConnections
	}
	var final *failure.Error
	return errors.Is(err, errNotWritable) || !errors.As(err, &final) && !isTLS(err)
}

// Lost tells whether an error means that the session is gone, and not that the server refused a statement.
func Lost(err error) bool {
	if code := sqlstate.Of(err); code != "" {
		return endsSession(code)
	}
	return errors.Is(err, errSessionLost) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || pgconn.SafeToRetry(err) || isNetwork(err)
}

// endsSession recognises the server's last words to a session.
func endsSession(code string) bool {
	switch code {
	case pgerrcode.IdleInTransactionSessionTimeout, sqlstate.TransactionTimeout, pgerrcode.AdminShutdown, pgerrcode.CrashShutdown,
		pgerrcode.CannotConnectNow, pgerrcode.DatabaseDropped, pgerrcode.IdleSessionTimeout:
		return true
	}
	return pgerrcode.IsConnectionException(code)
}

// ReadOnly tells whether a server refused a change because it only answers questions: after a failover the old primary does.
func ReadOnly(err error) bool {
	return sqlstate.Is(err, pgerrcode.ReadOnlySQLTransaction) || errors.Is(err, errNotWritable)
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &header) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "server refused TLS")
}

// explain turns a failed attempt into a sentence with the next step.
func (t Target) explain(err error, waited time.Duration) error {
	if said, ok := errors.AsType[*failure.Error](err); ok {
		return said
	}
	return failure.Because(err, t.told(err, waited))
}

func (t Target) told(err error, waited time.Duration) error {
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server):
		return t.explainServer(server)
	case isTLS(err):
		return failure.Unreachable("no TLS with %s that meets sslmode %s (%s): "+
			"correct the server's certificate, DB_HOST or DB_SSL_ROOT_CERT", t.Address(), t.SSLMode, t.reason(err))
	case errors.Is(err, context.Canceled):
		return failure.Unreachable("interrupted before %s answered: run again", t.Address())
	default:
		return failure.Unreachable("%s did not accept a connection within %s (%s): "+
			"start the database, correct DB_HOST and DB_PORT, or raise MIGRATION_CONNECT_TIMEOUT",
			t.Address(), waited, t.reason(err))
	}
}

func (t Target) explainServer(server *pgconn.PgError) error {
	message := t.Redact(server.Message)
	switch server.Code {
	case pgerrcode.InvalidPassword, pgerrcode.InvalidAuthorizationSpecification:
		return failure.Unreachable("%s refused user %q for database %q (%s): correct DB_USER, DB_PASSWORD or the server's pg_hba.conf",
			t.Address(), t.User, t.Database, message)
	case pgerrcode.InvalidCatalogName:
		return failure.Unreachable("%s has no database %q: create it (in development make migrate-reset does), or correct DB_NAME",
			t.Address(), t.Database)
	case pgerrcode.ProtocolViolation:
		return failure.Unreachable("%s refused the session's settings (%s): write lock: table in %s if the way leads through PgBouncer",
			t.Address(), message, config.ProjectFile)
	case pgerrcode.UndefinedObject:
		for name := range t.parameters {
			if strings.Contains(server.Message, `"`+name+`"`) {
				return failure.Refused("DB_URL asks for %q, which is a parameter neither of the engine nor of PostgreSQL: remove it", name)
			}
		}
		return failure.Unreachable("%s refused the session's settings (%s): the engine needs PostgreSQL 14 or newer: use such a server",
			t.Address(), message)
	default:
		return failure.Unreachable("%s refused a session on database %q (%s, SQLSTATE %s): "+
			"see to the server, then run again", t.Address(), t.Database, message, server.Code)
	}
}

// reason is what went wrong on the way to the server, in a few words.
func (t Target) reason(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errNotWritable):
		return "it only answers questions"
	case errors.As(err, &dns):
		return "the host name is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	}
	return t.Redact(innermost(err))
}
