package develop

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/patience"
	"avion.internal/migrate/internal/runlock"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// TestdbOptions choose what the database holds, and how long it stays.
type TestdbOptions struct {
	// Seed loads the seeds, too.
	Seed bool
	// Wait stays until the standard input ends, and then drops the database.
	Wait bool
	// Keep is how long it stays where nobody drops it, as in 1h.
	Keep string
}

// longestKeep is what a database for one test may take, and how long a template lasts that nobody uses.
const longestKeep = 24 * time.Hour

func (o TestdbOptions) keep() (time.Duration, error) {
	keep, err := time.ParseDuration(o.Keep)
	if err != nil || keep < time.Second || keep > longestKeep {
		return 0, failure.Refused("--keep is %q: name a time from 1s to 24h, as in 30m or 1h", o.Keep)
	}
	return keep, nil
}

// Testdb prints the address of a fresh database with every migration applied. It is a copy of a template that is made once for
// the same files. Its name says when it may be dropped; whoever asks for the next one drops what is past that.
func (e *Engine) Testdb(ctx context.Context, options TestdbOptions) error {
	keep, err := options.keep()
	if err != nil {
		return err
	}
	target, err := e.Target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("testdb"); err != nil {
		return err
	}
	if target.Pooled() {
		return failure.Refused("lock is table in %s: a pooler knows no database that is made for one test: name the server itself in DB_HOST, "+
			"and an own %s without lock for the tests", config.ProjectFile, config.ProjectFile)
	}
	content := sync.OnceValues(func() ([]byte, error) { return e.content(target, options.Seed) })
	go func() { _, _ = content() }() // while the session is opened
	databases := testDatabases{Engine: e, target: target, keep: keep, seed: options.Seed, content: content}
	session, name, err := databases.make(ctx)
	if err != nil {
		return err
	}
	err = e.printAddress(target.Elsewhere(name))
	if err == nil {
		databases.tidy(ctx, session)
	}
	session.Close()
	if err == nil && !options.Wait {
		return nil
	}
	if err == nil {
		awaitEnd(ctx, e.Terminal.In)
	}
	return cmp.Or(err, databases.drop(ctx, name))
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
		directory, err := migration.ReadDirectory(stream.Dir, stream.Rules)
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

func (e *Engine) printAddress(target connection.Target) error {
	program, err := os.Executable()
	if err != nil {
		return failure.Refused("the folder of this program cannot be found (%s): run tools/migrate/bin/migrate-dev", err)
	}
	address, err := target.URL(filepath.Dir(program))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(e.Terminal.Out, address); err != nil {
		return failure.Refused("the address cannot be printed (%s): run again with an open standard output", err)
	}
	return nil
}

// awaitEnd waits until whoever started the program closes its end of the standard input, as the system does when it dies.
func awaitEnd(ctx context.Context, input io.Reader) {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, input)
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

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
	if err := d.fill(ctx, d.target.Elsewhere(unfinished.name)); err != nil {
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

func (d testDatabases) fill(ctx context.Context, target connection.Target) error {
	session, err := silent(d.Engine.Engine).OpenTarget(ctx, target)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Up(ctx, math.MaxInt64); err != nil || !d.seed {
		return err
	}
	if empty, err := session.Engine.NothingToSeed(); empty || err != nil {
		return err
	}
	return session.Seed(ctx)
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
	rows, err := session.QueryContext(ctx, testDatabasesQuery, testdbPrefix(d.target.Database)) //nolint:rowserrcheck // what is not found now is found later
	if err != nil {
		return
	}
	defer rows.Close()
	var past []string
	for rows.Next() {
		var name, comment string
		if rows.Scan(&name, &comment) == nil && expired(name, comment, time.Now()) {
			past = append(past, name)
		}
	}
	for _, name := range past {
		_, _ = session.ExecContext(ctx, "DROP DATABASE IF EXISTS "+sqltext.Name(name))
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
	const middle, longestEnd = "_testdb_", len("template_0123456789abcdef")
	return database[:min(len(database), longestDatabaseName-len(middle)-longestEnd)] + middle
}
