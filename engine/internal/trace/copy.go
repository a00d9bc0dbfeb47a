package trace

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// Everything that another database would have to have for a migration to do the same there.
const shapeQuery = `
SELECT coalesce(md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")), '') FROM (
  SELECT concat_ws(' ', n.nspname, c.relname, c.relkind, (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' ORDER BY a.attname)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM unnest($1::text[]) own WHERE starts_with(c.relname, own))
  UNION ALL
  SELECT concat_ws(' ', conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
  WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND k.contype <> 'n' AND NOT EXISTS (SELECT FROM unnest($1::text[]) own WHERE starts_with(k.conname, own))
  UNION ALL
  SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL
  SELECT concat_ws(' ', p.oid::regprocedure, md5(p.prosrc)) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  UNION ALL
  SELECT concat_ws(' ', enumtypid::regtype, enumlabel) FROM pg_enum
) every(line)`

// Resembles tells whether the service's own database consists of what the base does, apart from tables of the engine's, whose
// names begin with one of those given.
func (b *Base) Resembles(ctx context.Context, engine []string) (bool, error) {
	var shapes [2]string
	for position, name := range []string{b.database, b.server.database} {
		session, err := b.server.dial(ctx, name, func(*pgx.ConnConfig) {})
		if err != nil {
			return false, err
		}
		err = session.QueryRow(ctx, shapeQuery, engine).Scan(&shapes[position])
		session.Close(ctx)
		if err != nil {
			return false, err
		}
	}
	return shapes[0] == shapes[1], nil
}

// largestCopy is what the service's own database may measure to be copied as it is.
const largestCopy = 256 << 20

// The role that migrations run as owns what the developer's owns in the original.
const handOver = `
DO $hand_over$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER %s %s OWNER TO %I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.oid::regclass, $1)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i', 'e') AND (c.relkind = 'S' OR d.deptype = 'e'))
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, $1) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind <> 'a' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO %I', t.oid::regtype, $1) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.classid = 'pg_type'::regclass AND d.deptype = 'e')
    UNION ALL
    SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, $1) FROM pg_namespace WHERE nspname NOT IN ('information_schema', 'public') AND nspname !~ '^pg_'
  LOOP
    EXECUTE statement;
  END LOOP;
END $hand_over$`

// BaseOfOriginal is a copy of the service's own database as it is now. That needs a database that is not large, and that
// nobody is connected to; the error is a sentence.
func (s *Server) BaseOfOriginal(ctx context.Context) (*Base, error) {
	s.alone.Lock()
	defer s.alone.Unlock()
	var size int64
	if err := s.admin.QueryRow(ctx, "SELECT pg_database_size($1::name)", s.database).Scan(&size); err != nil {
		return nil, err
	}
	if size > largestCopy {
		return nil, fmt.Errorf("it is larger than %d MB", largestCopy>>20)
	}
	database, err := s.create(ctx, s.database)
	if sqlstate.Is(err, pgerrcode.ObjectInUse) {
		return nil, errors.New("somebody is connected to it")
	}
	if err != nil {
		return nil, err
	}
	if s.role != "" {
		session, err := s.dial(ctx, database, func(*pgx.ConnConfig) {})
		if err != nil {
			return nil, err
		}
		defer session.Close(ctx)
		if err := run(ctx, session, strings.ReplaceAll(handOver, "$1", sqltext.Literal(s.role))); err != nil {
			return nil, err
		}
	}
	return &Base{server: s, database: database}, nil
}
