package develop

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/dropdb"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// maintenanceSession is a session beside the database that it drops or creates.
type maintenanceSession struct{ *operate.Session }

// openMaintenance connects to a database that is always there: the one to drop must have no session that matters.
func (e *Engine) openMaintenance(ctx context.Context, target connection.Target) (*maintenanceSession, error) {
	session, err := e.OpenTarget(ctx, target.Elsewhere("postgres"))
	if failure.CodeOf(err) != failure.CodeUnreachable {
		return &maintenanceSession{session}, err
	}
	session, otherwise := e.OpenTarget(ctx, target.Elsewhere("template1"))
	if otherwise != nil {
		return nil, err
	}
	return &maintenanceSession{session}, nil
}

// major is the server's major version.
func (s *maintenanceSession) major(ctx context.Context) (string, error) {
	var major string
	err := s.QueryRowContext(ctx, "SELECT (current_setting('server_version_num')::int / 10000)::text").Scan(&major)
	if err != nil {
		return "", s.Unreadable(ctx, "server_version_num", err)
	}
	return major, nil
}

func (s *maintenanceSession) dropForce(ctx context.Context, name string) error {
	return dropdb.Force(ctx, func(ctx context.Context, statement string) error {
		_, err := s.ExecContext(ctx, statement)
		return err
	}, name)
}

func (s *maintenanceSession) cannot(done, operation, name string, err error) error {
	message := err.Error()
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		message = server.Message + " (SQLSTATE " + server.Code + ")"
	}
	if sqlstate.Blocked(err) {
		return failure.Locked("database %s could not be %s while another session works with it: %s: run %s again", name, done, message, operation)
	}
	return failure.Refused("database %s could not be %s: %s: see to it and run %s again", name, done, message, operation)
}

// properties are what a new database takes over from the one that it replaces.
type properties struct {
	name     string
	exists   bool
	owner    string
	owned    bool // by the role of the session
	encoding string
	collate  string
	ctype    string
	provider string // c, i or b: libc, ICU, builtin
	locale   string // of ICU and builtin
	icuRules string
}

// The catalog's column for the locale has changed its name between versions; as JSON both are within reach.
const databaseQuery = `
SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
       coalesce(j->>'datlocprovider', 'c'), coalesce(j->>'datlocale', j->>'daticulocale', ''), coalesce(j->>'daticurules', ''),
       pg_has_role(d.datdba, 'USAGE')
FROM pg_database d, to_jsonb(d) j WHERE d.datname = $1`

const roleQuery = `SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user`

// inspect reads what the database is now, and refuses a role that may not create one for the operation.
func (s *maintenanceSession) inspect(ctx context.Context, operation, name string) (properties, error) {
	var mayCreate bool
	if err := s.QueryRowContext(ctx, roleQuery).Scan(&mayCreate); err != nil {
		return properties{}, s.Unreadable(ctx, "pg_roles", err)
	}
	if !mayCreate {
		return properties{}, failure.Refused("role %q may not create databases, which %s has to: "+
			"let a superuser allow it with ALTER ROLE %s CREATEDB", s.Target.User, operation, sqltext.Name(s.Target.User))
	}
	found := properties{name: name}
	err := s.QueryRowContext(ctx, databaseQuery, name).Scan(&found.owner, &found.encoding, &found.collate, &found.ctype,
		&found.provider, &found.locale, &found.icuRules, &found.owned)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return found, nil
	case err != nil:
		return properties{}, s.Unreadable(ctx, "pg_database", err)
	}
	found.exists = true
	return found, nil
}

// createStatement builds on template0, the only template that takes every encoding and locale.
func (p properties) createStatement() string {
	var statement strings.Builder
	statement.WriteString("CREATE DATABASE " + sqltext.Name(p.name))
	if !p.exists {
		return statement.String()
	}
	statement.WriteString(" OWNER " + sqltext.Name(p.owner) + " TEMPLATE template0 ENCODING " + sqltext.Literal(p.encoding) +
		" LC_COLLATE " + sqltext.Literal(p.collate) + " LC_CTYPE " + sqltext.Literal(p.ctype))
	switch p.provider {
	case "i":
		statement.WriteString(" LOCALE_PROVIDER icu ICU_LOCALE " + sqltext.Literal(p.locale))
		if p.icuRules != "" {
			statement.WriteString(" ICU_RULES " + sqltext.Literal(p.icuRules))
		}
	case "b":
		statement.WriteString(" LOCALE_PROVIDER builtin BUILTIN_LOCALE " + sqltext.Literal(p.locale))
	case "c":
		statement.WriteString(" LOCALE_PROVIDER libc")
	}
	return statement.String()
}
