package trace

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/postgrestest"
)

// dialer opens sessions as the role that owns a test's database.
func dialer(database postgrestest.Database) Dial {
	return func(ctx context.Context, name string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err != nil {
			return nil, err
		}
		var port uint16
		fmt.Sscan(database.Port, &port)
		config.Host, config.Port, config.User, config.Password, config.Database = database.Host, port, database.User, database.Password, name
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		change(config)
		return pgx.ConnectConfig(ctx, config)
	}
}

func file(name string, statements ...string) File {
	made := File{Name: name}
	line := 2
	for _, text := range statements {
		made.Statements = append(made.Statements, migration.Statement{Line: line, Text: text})
		line += 1 + strings.Count(text, "\n")
	}
	return made
}

func open(t *testing.T, database postgrestest.Database) *Server {
	t.Helper()
	server, err := Open(context.Background(), dialer(database), database.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func trace(t *testing.T, server *Server, before []File, files ...File) []Migration {
	t.Helper()
	base, err := server.Base(context.Background(), before)
	if err != nil {
		t.Fatal(err)
	}
	if len(base.Missing) > 0 {
		t.Fatal(base.Missing)
	}
	traced, err := base.Trace(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	return traced
}

// summary is what a trace tells, without times and OIDs.
func summary(traced []Migration) string {
	var text strings.Builder
	names := func(relations []Relation) (all []string) {
		for _, each := range relations {
			all = append(all, each.Name)
		}
		return all
	}
	for _, migration := range traced {
		for _, s := range migration.Statements {
			fmt.Fprintf(&text, "%s:%d", migration.File, s.Line)
			for _, lock := range s.Locks {
				fmt.Fprintf(&text, " %s of %s %s %d-%d", lock.Name, lock.Table.Name, lock.Mode, lock.Since, lock.Until)
			}
			for _, index := range s.Built {
				fmt.Fprintf(&text, " builds %s on %s", index.Name.Name, index.Table.Name)
			}
			for _, rows := range s.Rows {
				fmt.Fprintf(&text, " rows %s %t +%d ~%d -%d", rows.Name, rows.Old, rows.Inserted, rows.Updated, rows.Deleted)
			}
			fmt.Fprintf(&text, " rewrites%v verifies%v validates%v scans%v created%v dropped%v invalid%v %s %s\n", names(s.Rewritten), names(s.Verified), s.Validated, names(s.Scanned),
				s.Created, s.Dropped, s.Invalid, s.Unmeasured, s.Unknown)
		}
	}
	return text.String()
}

const before = `CREATE TABLE a (id bigint PRIMARY KEY, b int);
CREATE TABLE c (a_id bigint REFERENCES a ON DELETE CASCADE);
CREATE TABLE log (id bigint);
CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); RETURN NULL; END $$;
CREATE TRIGGER logged AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE FUNCTION forgiving() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOCK a; RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
CREATE VIEW v AS SELECT id FROM a;
INSERT INTO a SELECT generate_series(1, 300); INSERT INTO c VALUES (1);`

func TestWhatAMigrationDoesIsSeen(t *testing.T) {
	server := open(t, postgrestest.New(t))
	traced := trace(t, server, []File{file("before", before)},
		file("1", "ALTER TABLE a ADD COLUMN x uuid DEFAULT gen_random_uuid()", "DO $$ BEGIN UPDATE a SET b = 1 WHERE id = 1; END $$", "ALTER TABLE c ALTER a_id SET NOT NULL", "DELETE FROM a WHERE id = 1"),
		file("2", "CREATE INDEX i ON a (b)", "SELECT nope()", "ALTER TABLE a OWNER TO nobody_there", "DROP VIEW v", "ALTER TABLE a RENAME b TO z", "CREATE TABLE new (id int)", "ALTER TABLE new ADD CHECK (id > 0)"),
		file("3", "SELECT forgiving()", "DO $$ BEGIN LOCK a; RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$", "ALTER TABLE c ADD FOREIGN KEY (a_id) REFERENCES a"),
		File{Name: "4", NoTransaction: true, Statements: file("", "CREATE INDEX CONCURRENTLY j ON a (z)", "CREATE UNIQUE INDEX CONCURRENTLY u ON a (z)", "VACUUM FULL a", "DROP DATABASE postgres").Statements})
	want := `1:2 a of a ACCESS EXCLUSIVE 2-5 a_pkey of a ACCESS EXCLUSIVE 2-5 builds a_pkey on a rewrites[a] verifies[] validates[] scans[a] created[{column a.x }] dropped[] invalid[]  
1:3 rows a true +0 ~1 -0 rewrites[] verifies[] validates[] scans[a] created[] dropped[] invalid[]  
1:4 c of c ACCESS EXCLUSIVE 4-5 rewrites[] verifies[c] validates[] scans[c] created[] dropped[] invalid[]  
1:5 log of log ROW EXCLUSIVE 5-5 rows a true +0 ~0 -1 rows c true +0 ~0 -1 rows log true +1 ~0 -0 rewrites[] verifies[] validates[] scans[a c] created[] dropped[] invalid[]  
2:2 a of a SHARE 2-4 builds i on a rewrites[] verifies[] validates[] scans[a] created[{index i }] dropped[] invalid[]  
2:3 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[] PostgreSQL said: function nope() does not exist (SQLSTATE 42883) 
2:4 a of a ACCESS EXCLUSIVE 4-8 a_pkey of a ACCESS EXCLUSIVE 4-8 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[]  
2:5 v of v ACCESS EXCLUSIVE 5-8 rewrites[] verifies[] validates[] scans[] created[] dropped[{view v }] invalid[]  
2:6 rewrites[] verifies[] validates[] scans[] created[] dropped[{column a.b z}] invalid[]  
2:7 rewrites[] verifies[] validates[] scans[] created[{table new }] dropped[] invalid[]  
2:8 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[]  
3:2 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[]  an EXCEPTION block may have let go of locks
3:3 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[]  an EXCEPTION block may have let go of locks
3:4 a of a SHARE ROW EXCLUSIVE 4-4 c of c SHARE ROW EXCLUSIVE 4-4 rewrites[] verifies[] validates[c_a_id_fkey1] scans[c] created[] dropped[] invalid[]  
4:2 a of a SHARE UPDATE EXCLUSIVE 2-2 rewrites[] verifies[] validates[] scans[] created[{index j }] dropped[] invalid[]  
4:3 a of a SHARE UPDATE EXCLUSIVE 3-3 rewrites[] verifies[] validates[] scans[] created[{index u }] dropped[] invalid[]  
4:4 a of a ACCESS EXCLUSIVE 4-4 rewrites[a] verifies[] validates[] scans[] created[] dropped[] invalid[]  
4:5 rewrites[] verifies[] validates[] scans[] created[] dropped[] invalid[] it concerns databases, which are not the throw-away one's business 
`
	if got := summary(traced); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}

// Neither a second trace on the server nor the server's statistics change what is told.
func TestTheSameIsToldEachTime(t *testing.T) {
	database := postgrestest.New(t)
	files := []File{file("1", "ALTER TABLE a ADD COLUMN x uuid DEFAULT gen_random_uuid()", "UPDATE a SET b = 2 WHERE id = 7", "DELETE FROM a WHERE id = 1"), file("2", "ALTER TABLE c ALTER a_id SET NOT NULL", "CREATE INDEX i ON a (b)", "DROP TABLE c")}
	told := make(chan string)
	var both sync.WaitGroup
	defer both.Wait()
	for _, statistics := range []string{"SELECT 1", "ANALYZE"} {
		both.Go(func() {
			server, err := Open(context.Background(), dialer(database), database.Name)
			if err != nil {
				told <- err.Error()
				return
			}
			defer server.Close(context.Background())
			base, err := server.Base(context.Background(), []File{file("before", before, statistics)})
			if err != nil {
				told <- err.Error()
				return
			}
			for range 5 {
				traced, err := base.Trace(context.Background(), files)
				if err != nil {
					told <- err.Error()
					return
				}
				told <- summary(traced)
			}
		})
	}
	first := <-told
	if !strings.Contains(first, "ACCESS EXCLUSIVE") {
		t.Fatal(first)
	}
	for range 9 {
		if next := <-told; next != first {
			t.Fatalf("%s\nand before\n%s", next, first)
		}
	}
}

func TestABaseIsMadeOncePerContent(t *testing.T) {
	server := open(t, postgrestest.New(t))
	first, err := server.Base(context.Background(), []File{file("1", "CREATE TABLE a (id int)", "SELECT nope()", "CREATE TABLE b (id int)")})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Missing) != 1 || !strings.HasPrefix(first.Missing[0], "1 line 3: PostgreSQL said: function nope() does not exist") {
		t.Error(first.Missing)
	}
	again, err := server.Base(context.Background(), []File{file("1", "CREATE TABLE a (id int)", "SELECT nope()", "CREATE TABLE b (id int)")})
	if err != nil || again != first {
		t.Error("the same content made another base", err)
	}
	traced, err := again.Trace(context.Background(), []File{file("2", "DROP TABLE b")})
	if err != nil || len(traced[0].Statements[0].Dropped) != 1 {
		t.Error(traced, err)
	}
}

func TestWithoutTheRightToCreateDatabasesNothingIsMade(t *testing.T) {
	database := postgrestest.New(t)
	database.Execute(t, "ALTER ROLE "+database.User+" NOCREATEDB")
	if _, err := Open(context.Background(), dialer(database), database.Name); err == nil || !strings.Contains(err.Error(), "may not create databases") {
		t.Error(err)
	}
}

func TestATableIsKnownByMoreThanItsName(t *testing.T) {
	server := open(t, postgrestest.New(t))
	base := []File{file("1", "CREATE TABLE a (id bigint)", "CREATE SCHEMA archive")}
	for name, c := range map[string]struct {
		made, changed string
		locked        bool
	}{
		"another schema":         {"CREATE TABLE archive.a (id bigint)", "ALTER TABLE public.a ADD b int", true},
		"that very table":        {"CREATE TABLE archive.a (id bigint)", "ALTER TABLE archive.a ADD b int", false},
		"a table that was there": {"CREATE TABLE IF NOT EXISTS a (id bigint)", "ALTER TABLE a ADD b int", true},
		"the path to a schema":   {"CREATE TABLE archive.a (id bigint); SET search_path = archive", "ALTER TABLE a ADD b int", false},
		"a temporary one":        {"CREATE TEMPORARY TABLE a (id bigint)", "ALTER TABLE public.a ADD b int", true},
		"in the shadow of one":   {"CREATE TEMPORARY TABLE a (id bigint)", "ALTER TABLE a ADD b int", false},
		"one that took the name": {"ALTER TABLE a RENAME TO old; CREATE TABLE a (id bigint)", "ALTER TABLE a ADD b int", false},
	} {
		traced := trace(t, server, base, file("2", c.made, c.changed))
		locks := traced[0].Statements[1].Locks
		if c.locked != (len(locks) == 1) {
			t.Errorf("%s: %+v", name, locks)
		}
	}
}
