package trace

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/postgrestest"
	"avion.internal/migrate/internal/sqltext"
)

// superuser opens sessions as compose's user does, who may do anything.
func superuser(t *testing.T) Dial {
	t.Helper()
	parsed, err := url.Parse(os.Getenv(postgrestest.Variable))
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, name string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(parsed.String())
		if err != nil {
			return nil, err
		}
		config.Database, config.DefaultQueryExecMode = name, pgx.QueryExecModeExec
		change(config)
		return pgx.ConnectConfig(ctx, config)
	}
}

func asSuperuser(t *testing.T, database postgrestest.Database) *Server {
	t.Helper()
	server, err := Open(context.Background(), superuser(t), database.Name)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// leftovers are the databases and roles of traces of a database.
func leftovers(t *testing.T, database postgrestest.Database) string {
	t.Helper()
	return database.Value(t, "SELECT count(*)::text FROM (SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles) every(name) WHERE starts_with(name, '"+prefix(database.Name)+"')")
}

func do(body string) string { return "DO $do$ BEGIN\n" + body + "\nEND $do$" }

// Whatever a migration does, it does to the throw-away database, even where the developer is a superuser.
func TestAHostileMigrationTouchesNothingElse(t *testing.T) {
	database := postgrestest.New(t)
	database.Execute(t, "CREATE TABLE precious AS SELECT 1 AS id")
	beside, err := superuser(t)(context.Background(), database.Name, func(*pgx.ConnConfig) {})
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close(context.Background())
	marker := filepath.Join("/tmp", "hostile-"+database.Name)
	// Other packages' tests run meanwhile on the same server, with roles of their own.
	const others = "starts_with(rolname, 'migrate_test_')"
	every := "SELECT string_agg(rolname || rolsuper || coalesce(rolpassword, ''), ',' ORDER BY oid) FROM pg_authid WHERE rolname = '" + database.User + "' OR NOT " + others
	roles := database.Value(t, every)
	server := asSuperuser(t, database)
	hostile := []File{
		{Name: "1", NoTransaction: true, Statements: file("", "DROP DATABASE "+database.Name+" WITH (FORCE)", "ALTER SYSTEM SET work_mem = '64kB'", "CREATE ROLE intruder SUPERUSER LOGIN",
			"ALTER DATABASE "+database.Name+" RENAME TO gone", "COPY (SELECT 1) TO PROGRAM 'touch "+marker+"'").Statements},
		file("2", do("PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid();")),
		file("3", do("EXECUTE 'COPY (SELECT 1) TO PROGRAM ' || quote_literal('touch "+marker+"');")),
		file("4", do("EXECUTE 'CREATE ROLE ' || 'intruder SUPERUSER LOGIN';")),
		file("5", do("EXECUTE 'ALTER DATABASE ' || '"+database.Name+" RENAME TO gone';")),
		file("6", do("EXECUTE 'ALTER ROLE ' || '"+database.User+" PASSWORD ''x''';")),
		file("7", "RESET SESSION AUTHORIZATION", "RESET ROLE", "SET ROLE postgres", "SET SESSION AUTHORIZATION postgres", "CREATE EXTENSION dblink", "ALTER ROLE CURRENT_USER SUPERUSER",
			"SET temp_file_limit = -1", "CREATE TABLE whoami AS SELECT current_user AS name, (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS super"),
		file("8", "SELECT 1 / (SELECT CASE WHEN super THEN 0 ELSE 1 END FROM whoami)"),
	}
	base, err := server.Base(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	traced, err := base.Trace(context.Background(), hostile)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range traced[:6] {
		for _, statement := range each.Statements {
			if each.File != "2" && statement.Measured() {
				t.Errorf("%s ran", statement.Text)
			}
		}
	}
	if last := traced[7].Statements[0]; !last.Measured() {
		t.Errorf("a migration runs as a superuser: %s", last.Unmeasured)
	}
	if err := beside.Ping(context.Background()); err != nil {
		t.Errorf("another session was ended: %s", err)
	}
	if database.Value(t, "SELECT count(*) FROM precious") != "1" {
		t.Error("a row is gone")
	}
	if now := database.Value(t, every); now != roles {
		t.Error("a role was changed")
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program ran")
	}
	if err := server.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, database); left != "0" {
		t.Errorf("%s databases and roles are left", left)
	}
}

func TestAMigrationThatTakesTooMuchIsEnded(t *testing.T) {
	database := postgrestest.New(t)
	for name, each := range map[string]struct {
		limits Limits
		sql    string
		want   string
	}{
		"sleeps": {Limits{time.Second, 1 << 30}, "SET statement_timeout = 0; SELECT pg_sleep(600)", "it ran for more than 1s"},
		"fills":  {Limits{time.Minute, 20 << 20}, "CREATE TABLE full_disk AS SELECT generate_series(1, 100000000), repeat('x', 1000)", "it wrote more than 20 MB"},
		"sorts":  {Limits{time.Minute, 10 << 20}, "SELECT count(*) FROM (SELECT x FROM generate_series(1, 20000000) x ORDER BY -x) y", "SQLSTATE 53400"},
	} {
		server, err := Open(context.Background(), superuser(t), database.Name)
		if err != nil {
			t.Fatal(err)
		}
		server.Limits = each.limits
		if name == "sorts" { // the limit is the role's, which Open has made
			if _, err := server.admin.Exec(context.Background(), "ALTER ROLE "+sqltext.Name(server.role)+" SET temp_file_limit = '10MB'"); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		traced := trace(t, server, nil, file("1", each.sql, "SELECT 1"))
		statements := traced[0].Statements
		if !strings.Contains(statements[len(statements)-2].Unmeasured+statements[len(statements)-1].Unmeasured, each.want) || time.Since(begin) > time.Minute {
			t.Errorf("%s: %+v after %s", name, statements, time.Since(begin))
		}
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if left := leftovers(t, database); left != "0" {
		t.Errorf("%s databases and roles are left", left)
	}
}

// In the program that this test starts a trace is killed in the middle.
func TestWhatAKilledTraceHasLeftTheNextOneDrops(t *testing.T) {
	if os.Getenv("TRACE_AND_WAIT") != "" {
		server, err := Open(context.Background(), superuser(t), os.Getenv("TRACE_AND_WAIT"))
		if err != nil {
			t.Fatal(err)
		}
		base, err := server.Base(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		base.Trace(context.Background(), []File{file("1", "SELECT pg_sleep(600)")})
		return
	}
	database := postgrestest.New(t)
	program := exec.Command(os.Args[0], "-test.run=^TestWhatAKilledTraceHasLeftTheNextOneDrops$")
	program.Env = append(os.Environ(), "TRACE_AND_WAIT="+database.Name)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	for patience := 0; database.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND starts_with(datname, '"+prefix(database.Name)+"')") == "0"; patience++ {
		if patience > 600 {
			t.Fatal("no trace has begun")
		}
		time.Sleep(100 * time.Millisecond)
	}
	owner := asSuperuser(t, database) // which leaves alone what somebody owns
	if left := leftovers(t, database); left != "4" {
		t.Errorf("%s databases and roles are there", left)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	program.Wait()
	database.Execute(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND starts_with(datname, '"+prefix(database.Name)+"')")
	for patience := 0; database.Value(t, "SELECT count(*) FROM pg_stat_activity WHERE starts_with(datname, '"+prefix(database.Name)+"')") != "0" && patience < 100; patience++ {
		time.Sleep(100 * time.Millisecond)
	}
	next := asSuperuser(t, database)
	for _, each := range []*Server{next, owner} {
		if err := each.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if left := leftovers(t, database); left != "0" {
		t.Errorf("%s databases and roles are left", left)
	}
}
