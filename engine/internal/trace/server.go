package trace

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/dropdb"
	"avion.internal/migrate/internal/sqltext"
)

// Dial opens a session on a database of the server; change is given the settings before.
type Dial func(ctx context.Context, database string, change func(*pgx.ConnConfig)) (*pgx.Conn, error)

// Limits end a trace that would take too much of the developer's machine.
type Limits struct {
	// Time is for all files together.
	Time time.Duration
	// Bytes are what the throw-away database may grow by.
	Bytes int64
}

// DefaultLimits are generous for a migration on hardly any rows.
var DefaultLimits = Limits{Time: 60 * time.Second, Bytes: 1 << 30}

// Server makes throw-away databases beside the one that a service works with. Each of them, and the role that migrations
// run as, is marked, and the session holds a lock on each name: what is marked and has no lock has lost its owner, and the
// next trace drops it.
type Server struct {
	// Limits may be changed before the first trace.
	Limits Limits

	dial     Dial
	database string
	admin    *pgx.Conn
	// role is the one that was made for the migrations, empty where the session's own may not make one.
	role, password string
	login          string
	settings       string // search_path of the service's role, empty for the default
	names          []string
	bases          map[[32]byte]*Base
	alone          sync.Mutex
}

// maintenance is a database that every server has.
const maintenance = "postgres"

// Open finds a server that throw-away databases can be made on. The error is a sentence that says why that is not
// possible.
func Open(ctx context.Context, dial Dial, database string) (*Server, error) {
	admin, err := dial(ctx, maintenance, func(*pgx.ConnConfig) {})
	if err != nil {
		return nil, err
	}
	opened := &Server{Limits: DefaultLimits, dial: dial, database: database, admin: admin, bases: map[[32]byte]*Base{}}
	if err := opened.prepare(ctx); err != nil {
		opened.Close(ctx)
		return nil, err
	}
	return opened, nil
}

const ownQuery = `
SELECT current_user, rolsuper, rolcreatedb OR rolsuper, coalesce((
  SELECT substr(setting, length('search_path=') + 1)
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) setting
  WHERE (s.setdatabase = 0 OR d.datname = $1) AND (s.setrole = 0 OR s.setrole = r.oid) AND setting LIKE 'search\_path=%'
  ORDER BY (s.setdatabase <> 0)::int + (s.setrole <> 0)::int * 2 DESC LIMIT 1), '')
FROM pg_roles r WHERE rolname = current_user`

func (s *Server) prepare(ctx context.Context) error {
	var super, mayCreate bool
	if err := s.admin.QueryRow(ctx, ownQuery, s.database).Scan(&s.login, &super, &mayCreate, &s.settings); err != nil {
		return err
	}
	if !mayCreate {
		return fmt.Errorf("role %q may not create databases: let a superuser allow it with ALTER ROLE %s CREATEDB", s.login, sqltext.Name(s.login))
	}
	s.dropAbandoned(ctx)
	if !super {
		return nil
	}
	return s.createRole(ctx)
}

// createRole makes the role that migrations run as where the session is a superuser's: what a migration does as a
// superuser reaches every database, and the files of the machine. Nothing leads back from the role to the superuser.
func (s *Server) createRole(ctx context.Context) error {
	role, password := s.newName(), rand.Text()
	if err := s.own(ctx, role); err != nil {
		return err
	}
	for _, statement := range []string{
		"BEGIN",
		"CREATE ROLE " + sqltext.Name(role) + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 8 PASSWORD " + sqltext.Literal(password),
		fmt.Sprintf("ALTER ROLE %s SET temp_file_limit = %s", sqltext.Name(role), sqltext.Literal(fmt.Sprintf("%dkB", s.Limits.Bytes>>10))),
		"COMMENT ON ROLE " + sqltext.Name(role) + " IS " + sqltext.Literal(mark(s.database)),
		"COMMIT",
	} {
		if _, err := s.admin.Exec(ctx, statement); err != nil {
			_, _ = s.admin.Exec(ctx, "ROLLBACK")
			return err
		}
	}
	s.role, s.password = role, password
	return nil
}

// own takes the lock that says that a name has an owner.
func (s *Server) own(ctx context.Context, name string) error {
	_, err := s.admin.Exec(ctx, "SELECT pg_advisory_lock($1)", key(name))
	return err
}

const settingsQuery = `
SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
       coalesce(j->>'datlocprovider', 'c'), coalesce(j->>'datlocale', j->>'daticulocale', ''), coalesce(j->>'daticurules', '')
FROM pg_database d, to_jsonb(d) j WHERE d.datname = $1`

// create makes an empty database with the encoding and the locale of the service's own, or one like the template.
func (s *Server) create(ctx context.Context, template string) (string, error) {
	name := s.newName()
	if err := s.own(ctx, name); err != nil {
		return "", err
	}
	statement := "CREATE DATABASE " + sqltext.Name(name)
	if s.role != "" {
		statement += " OWNER " + sqltext.Name(s.role)
	}
	if template != "" {
		statement += " TEMPLATE " + sqltext.Name(template)
	} else {
		statement += s.like(ctx)
	}
	s.names = append(s.names, name)
	if _, err := s.admin.Exec(ctx, statement); err != nil {
		return "", err
	}
	if _, err := s.admin.Exec(ctx, "COMMENT ON DATABASE "+sqltext.Name(name)+" IS "+sqltext.Literal(mark(s.database))); err != nil {
		return "", err
	}
	return name, nil
}

func (s *Server) like(ctx context.Context) string {
	var encoding, collate, ctype, provider, locale, rules string
	if s.admin.QueryRow(ctx, settingsQuery, s.database).Scan(&encoding, &collate, &ctype, &provider, &locale, &rules) != nil {
		return " TEMPLATE template0"
	}
	statement := " TEMPLATE template0 ENCODING " + sqltext.Literal(encoding) + " LC_COLLATE " + sqltext.Literal(collate) + " LC_CTYPE " + sqltext.Literal(ctype)
	switch provider {
	case "i":
		statement += " LOCALE_PROVIDER icu ICU_LOCALE " + sqltext.Literal(locale)
		if rules != "" {
			statement += " ICU_RULES " + sqltext.Literal(rules)
		}
	case "b":
		statement += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + sqltext.Literal(locale)
	}
	return statement
}

// drop removes a database of the trace's own.
func (s *Server) drop(ctx context.Context, name string) error {
	err := dropdb.Force(ctx, func(ctx context.Context, statement string) error {
		_, err := s.admin.Exec(ctx, statement)
		return err
	}, name)
	if err == nil {
		s.names = slices.DeleteFunc(s.names, func(each string) bool { return each == name })
	}
	return err
}

// Close drops everything that was made, also after an interrupt.
func (s *Server) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	defer s.admin.Close(ctx)
	var failed []error
	for _, name := range slices.Clone(s.names) {
		failed = append(failed, s.drop(ctx, name))
	}
	if s.role != "" {
		_, err := s.admin.Exec(ctx, "DROP ROLE IF EXISTS "+sqltext.Name(s.role))
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

const abandonedQuery = `
SELECT kind, name FROM (
  SELECT 'DATABASE' AS kind, datname AS name FROM pg_database d JOIN pg_roles r ON r.oid = datdba
  WHERE starts_with(datname, $2) AND pg_has_role(datdba, 'USAGE')
    AND (shobj_description(d.oid, 'pg_database') = $1 OR shobj_description(r.oid, 'pg_authid') = $1)
  UNION ALL
  SELECT 'ROLE', rolname FROM pg_roles WHERE starts_with(rolname, $2) AND shobj_description(oid, 'pg_authid') = $1
) marked ORDER BY kind`

const lockedQuery = `
SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = $1)`

// dropAbandoned removes what traces of the same database have left that were killed. What is in use stays: without FORCE
// the server refuses to drop a database that anybody is connected to.
func (s *Server) dropAbandoned(ctx context.Context) {
	rows, err := s.admin.Query(ctx, abandonedQuery, mark(s.database), prefix(s.database))
	if err != nil {
		return
	}
	type object struct{ Kind, Name string }
	left, err := pgx.CollectRows(rows, pgx.RowToStructByPos[object])
	if err != nil {
		return
	}
	for _, each := range left {
		var owned bool
		if err := s.admin.QueryRow(ctx, lockedQuery, key(each.Name)).Scan(&owned); err != nil || owned {
			continue
		}
		_, _ = s.admin.Exec(ctx, "DROP "+each.Kind+" IF EXISTS "+sqltext.Name(each.Name))
	}
}

// mark is the comment on what a trace makes.
func mark(database string) string {
	return "throw-away, made by a trace of migrations of " + database + ", which drops it"
}

const random = 12

func prefix(database string) string { return sqltext.Beginning(database, "_trace_", random) }

func (s *Server) newName() string { return prefix(s.database) + strings.ToLower(rand.Text()[:random]) }

func key(name string) int64 {
	sum := sha256.Sum256([]byte("trace/" + name))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// session opens the session that migrations run in.
func (s *Server) session(ctx context.Context, database string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	return s.dial(ctx, database, func(config *pgx.ConnConfig) {
		if s.role != "" {
			config.User, config.Password = s.role, s.password
		}
		if s.settings != "" {
			config.RuntimeParams["search_path"] = s.settings
		}
		change(config)
	})
}
