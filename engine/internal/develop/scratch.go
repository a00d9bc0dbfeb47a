package develop

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/runlock"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// scratches are the throw-away databases of one check. Each carries the mark below, and as long as the check lives, its
// session holds a lock on each name: a marked database without the lock has lost its owner.
type scratches struct {
	*maintenanceSession
	target connection.Target
	names  []string
}

// scratchMark is the comment on a throw-away database of the one that a check stands in for.
func scratchMark(database string) string {
	return "throw-away copy of " + database + ", made by migrate check, which drops it"
}

// create makes a database with the settings of the one that it stands in for, where that is there.
func (s *scratches) create(ctx context.Context) (connection.Target, error) {
	found, err := s.inspect(ctx, "check", s.target.Database)
	if err != nil {
		return connection.Target{}, err
	}
	found.name = scratchName(s.target.Database)
	found.owner = s.Target.User
	// An interrupt in the middle would leave it unknown whether there is something to drop.
	ctx = context.WithoutCancel(ctx)
	if !s.target.Pooled() {
		if _, err := s.ExecContext(ctx, "SELECT pg_advisory_lock($1)", scratchKey(found.name)); err != nil {
			return connection.Target{}, s.cannot("created", "check", found.name, err)
		}
	}
	if _, err := s.ExecContext(ctx, found.createStatement()); err != nil {
		return connection.Target{}, s.cannot("created", "check", found.name, err)
	}
	s.names = append(s.names, found.name)
	if _, err := s.ExecContext(ctx, "COMMENT ON DATABASE "+sqltext.Name(found.name)+" IS "+sqltext.Literal(scratchMark(s.target.Database))); err != nil {
		return connection.Target{}, s.cannot("marked", "check", found.name, err)
	}
	return s.target.Elsewhere(found.name), nil
}

// drop removes what the check has made. An interrupt ends the check, not the tidying up.
func (s *scratches) drop(ctx context.Context) error {
	for _, name := range s.names {
		if err := s.dropForce(context.WithoutCancel(ctx), name); err != nil {
			return s.cannot("dropped", "check", name, err)
		}
	}
	return nil
}

const abandonedQuery = `
SELECT name FROM unnest($1::text[], $2::bigint[]) hashes(name, key)
WHERE NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1
                  AND (l.classid::bigint << 32) | l.objid::bigint = hashes.key)`

const markedQuery = `
SELECT datname FROM pg_database d WHERE shobj_description(oid, 'pg_database') = $1 AND starts_with(datname, $2) AND pg_has_role(datdba, 'USAGE')`

// dropAbandoned removes what checks of the same database have left that were killed. Without FORCE the server itself
// refuses to drop a database that anybody is connected to.
func (s *scratches) dropAbandoned(ctx context.Context) error {
	if s.target.Pooled() { // no session there keeps a lock
		return nil
	}
	marked, err := sqlscan.Column[string](ctx, s, markedQuery, scratchMark(s.target.Database), scratchPrefix(s.target.Database))
	if err != nil {
		return s.Unreadable(ctx, "pg_database", err)
	}
	keys := make([]int64, len(marked))
	for position, name := range marked {
		keys[position] = scratchKey(name)
	}
	abandoned, err := sqlscan.Column[string](ctx, s, abandonedQuery, marked, keys)
	if err != nil {
		return s.Unreadable(ctx, "pg_database", err)
	}
	for _, name := range abandoned {
		_, err := s.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqltext.Name(name))
		switch {
		case sqlstate.Is(err, pgerrcode.ObjectInUse): // somebody is connected
		case err != nil:
			s.Engine.Report.Say("%s", s.cannot("dropped", "check", name, err))
		default:
			s.Engine.Report.Say("dropped %s, left by a check that was killed", name)
		}
	}
	return nil
}

// scratchKey is the id of the lock that says that a throw-away database has an owner.
func scratchKey(name string) int64 { return runlock.Advisory{Database: "check", Table: name}.Key() }

const scratchRandom = 12

func scratchPrefix(database string) string {
	return sqltext.Beginning(database, "_check_", scratchRandom)
}

func scratchName(database string) string {
	return scratchPrefix(database) + strings.ToLower(rand.Text()[:scratchRandom])
}
