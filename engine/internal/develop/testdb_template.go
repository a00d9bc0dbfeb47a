package develop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/patience"
	"avion.internal/migrate/internal/runlock"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// testDatabases are the copies for single tests, and the template that they are copies of.
type testDatabases struct {
	*Engine
	target  connection.Target
	keep    time.Duration
	seed    bool
	content func() ([]byte, error)
}

// make returns the name of a new copy of the template, and the session that made it. No session waits for another run that
// makes the template: as many as run at once would take all that the server has.
func (d testDatabases) make(ctx context.Context) (*maintenanceSession, string, error) {
	limit, err := d.Settings.Seconds(config.LockTimeout)
	if err != nil {
		return nil, "", err
	}
	const pause = 200 * time.Millisecond
	var session *maintenanceSession
	var name string
	err = retry.Do(ctx, patience.Backoff(limit, pause, pause, func(time.Duration) {}), func(ctx context.Context) (err error) {
		if session, err = d.openMaintenance(ctx, d.target); err != nil {
			return err
		}
		if name, err = d.copy(ctx, session); err != nil {
			session.Close()
		}
		if failure.CodeOf(err) == failure.CodeLocked {
			err = retry.RetryableError(err)
		}
		return err
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil, "", failure.Refused("interrupted while another run makes the template of %s: run again", d.target.Database)
	case err != nil:
		return nil, "", err
	}
	return session, name, nil
}

func (d testDatabases) copy(ctx context.Context, session *maintenanceSession) (string, error) {
	template, strategy, err := d.template(ctx, session)
	if err != nil {
		return "", err
	}
	name := d.newName()
	for {
		// An interrupt in the middle would leave it unknown whether there is something to drop.
		_, err := session.ExecContext(context.WithoutCancel(ctx), "CREATE DATABASE "+sqltext.Name(name)+" TEMPLATE "+sqltext.Name(template)+strategy)
		switch {
		case err == nil:
			return name, nil
		case sqlstate.Is(err, pgerrcode.InvalidCatalogName): // there is no such template
			if err := d.makeTemplate(ctx, session, template); err != nil {
				return "", err
			}
		default:
			if _, refused := session.inspect(ctx, "testdb", d.target.Database); refused != nil {
				return "", refused
			}
			return "", session.cannot("created", "testdb", name, err)
		}
	}
}

// templateQuery asks for the server's major version, and how it copies a database at the least cost: a server that does not wait
// for its disk copies files faster than it writes every page to its log. PostgreSQL 14 knows no other way.
const templateQuery = `
SELECT version / 10000, CASE WHEN version >= 150000 AND current_setting('fsync') = 'off' THEN ' STRATEGY file_copy' ELSE '' END
FROM (SELECT current_setting('server_version_num')::int AS version) AS server`

// template is the name of the template for these files on this server, and the strategy to copy it by.
func (d testDatabases) template(ctx context.Context, session *maintenanceSession) (name, strategy string, err error) {
	var major int
	if err := session.QueryRowContext(ctx, templateQuery, pgx.QueryExecModeExec).Scan(&major, &strategy); err != nil {
		return "", "", session.Unreadable(ctx, "server_version_num", err)
	}
	content, err := d.content()
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256(fmt.Appendf(content, " %d", major))
	return testdbPrefix(d.target.Database) + "template_" + hex.EncodeToString(sum[:8]), strategy, nil
}

// content is a hash of all that decides what a template holds, apart from the server.
func (e *Engine) content(target connection.Target, seed bool) ([]byte, error) {
	sum := sha256.New()
	build, _ := debug.ReadBuildInfo()
	fmt.Fprintf(sum, "%q %q %q %+v\n", build.Main.Version, target.User, target.Environment, e.Project)
	streams := []config.Stream{e.Project.Migrations}
	if seed {
		streams = append(streams, e.Project.Seed)
	}
	for _, stream := range streams {
		if _, err := os.Stat(stream.Dir); seed && os.IsNotExist(err) {
			continue
		}
		directory, err := stream.ReadDirectory()
		if err != nil {
			return nil, err
		}
		sums, err := directory.Checksums()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(sum, "%v %v\n", directory.Misnamed, sums) // a map is printed in the order of its keys
	}
	return sum.Sum(nil), nil
}

// makeTemplate makes it under a name as that of a copy, so that what a kill leaves is dropped as a copy is, and gives it its
// own name once it holds everything.
func (d testDatabases) makeTemplate(ctx context.Context, session *maintenanceSession, template string) error {
	err := runlock.Advisory{Database: template, Table: "testdb", Say: d.Report.Say}.Acquire(ctx, session.DB)
	if err != nil {
		return err
	}
	var there bool
	if err := session.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", template).Scan(&there); err != nil || there {
		return err
	}
	if err := d.CheckFiles(); err != nil {
		return err
	}
	unfinished, err := session.inspect(ctx, "testdb", d.target.Database)
	if err != nil {
		return err
	}
	unfinished.name, unfinished.owner = d.newName(), d.target.User
	if _, err := session.ExecContext(ctx, unfinished.createStatement()); err != nil {
		return session.cannot("created", "testdb", unfinished.name, err)
	}
	if err := upAndSeed(ctx, silent(d.Engine.Engine), d.target.Elsewhere(unfinished.name), d.seed); err != nil {
		_ = session.dropForce(context.WithoutCancel(ctx), unfinished.name)
		return err
	}
	for _, statement := range []string{
		"COMMENT ON DATABASE " + sqltext.Name(unfinished.name) + " IS " + sqltext.Literal(strconv.FormatInt(time.Now().Add(longestKeep).Unix(), 10)),
		// Whoever connects to a template keeps it from being copied.
		"ALTER DATABASE " + sqltext.Name(unfinished.name) + " ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + sqltext.Name(unfinished.name) + " RENAME TO " + sqltext.Name(template),
	} {
		if _, err := session.ExecContext(ctx, statement); err != nil {
			return session.cannot("made a template", "testdb", unfinished.name, err)
		}
	}
	return nil
}

// drop removes a copy. An interrupt ends the wait, not the tidying up.
func (d testDatabases) drop(ctx context.Context, name string) error {
	ctx = context.WithoutCancel(ctx)
	session, err := d.openMaintenance(ctx, d.target)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.dropForce(ctx, name); err != nil {
		return session.cannot("dropped", "testdb", name, err)
	}
	return nil
}

const testDatabasesQuery = `
SELECT datname, coalesce(shobj_description(d.oid, 'pg_database'), '') FROM pg_database d
WHERE starts_with(datname, $1) AND pg_has_role(datdba, 'USAGE') AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)`

// tidy drops what is past its time and what nobody is connected to. One run at a time is enough for that, and what it cannot
// do, the next one does.
func (d testDatabases) tidy(ctx context.Context, session *maintenanceSession) {
	alone := runlock.Advisory{Database: d.target.Database, Table: "testdb", Say: func(string, ...any) {}}
	if alone.Acquire(ctx, session.DB) != nil {
		return
	}
	type idle struct{ name, comment string }
	found, _ := sqlscan.All(ctx, session, func(i *idle) []any { return []any{&i.name, &i.comment} }, testDatabasesQuery, testdbPrefix(d.target.Database))
	for _, each := range found {
		if expired(each.name, each.comment, time.Now()) {
			_, _ = session.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqltext.Name(each.name))
		}
	}
}

var (
	copyName     = regexp.MustCompile(`_testdb_([0-9]{10})_[a-z2-7]{8}$`)
	templateName = regexp.MustCompile(`_testdb_template_[0-9a-f]{16}$`)
)

// expired tells whether a database is one of these, and past its time. The name of a copy says that from the moment that it is
// there; a comment would come too late where the program is killed in between.
func expired(name, comment string, now time.Time) bool {
	until := comment
	if copied := copyName.FindStringSubmatch(name); copied != nil {
		until = copied[1]
	} else if templateName.FindString(name) == "" {
		return false
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	return err == nil && now.After(time.Unix(seconds, 0))
}

func (d testDatabases) newName() string {
	return fmt.Sprintf("%s%d_%s", testdbPrefix(d.target.Database), time.Now().Add(d.keep).Unix(), strings.ToLower(rand.Text()[:8]))
}

func testdbPrefix(database string) string {
	return sqltext.Beginning(database, "_testdb_", len("template_0123456789abcdef"))
}
