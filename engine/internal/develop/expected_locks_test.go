package develop

import (
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/locks"
	"avion.internal/migrate/internal/migration"
)

// standing is there when each of the statements below runs.
const standing = `
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE a (id bigint PRIMARY KEY, b int, c int, name varchar(20), parent_id int CONSTRAINT a_parent REFERENCES parent, span int4range);
CREATE INDEX a_b ON a (b);
CREATE UNIQUE INDEX a_c ON a (c);
ALTER TABLE a ADD CONSTRAINT a_positive CHECK (c > 0) NOT VALID;
CREATE TABLE child (id int, a_id bigint);
ALTER TABLE child ADD CONSTRAINT child_a FOREIGN KEY (a_id) REFERENCES a NOT VALID;
CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parts_2 (id int, day date);
CREATE TABLE heir (id int, a_id bigint);
CREATE VIEW v AS SELECT id FROM parent;
CREATE MATERIALIZED VIEW m AS SELECT id FROM a;
CREATE UNIQUE INDEX m_id ON m (id);
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('sad');
CREATE DOMAIN short AS text;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY own ON a USING (id > 1);
CREATE RULE nothing AS ON DELETE TO child DO INSTEAD NOTHING;
`

// lockCorpus is every operation of the guide and of the linter's corpus that runs in a transaction, and each form that
// the engine knows.
var lockCorpus = []string{
	"CREATE INDEX i ON a (b)", "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY public.a (b)", "CREATE INDEX ON a (b)", "DROP INDEX a_b", "DROP INDEX IF EXISTS a_b, a_c",
	"REINDEX INDEX a_b", "REINDEX TABLE a", "ALTER INDEX a_b RENAME TO i", "ALTER INDEX a_b SET (fillfactor = 50)",
	"ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id)", "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent NOT VALID",
	"ALTER TABLE child VALIDATE CONSTRAINT child_a", "ALTER TABLE a VALIDATE CONSTRAINT a_positive",
	"ALTER TABLE a ADD CONSTRAINT x CHECK (b > 0)", "ALTER TABLE a ADD CONSTRAINT x CHECK (b > 0) NOT VALID",
	"ALTER TABLE a ALTER COLUMN b SET NOT NULL", "ALTER TABLE a ALTER b DROP NOT NULL", "ALTER TABLE a ALTER COLUMN b SET DEFAULT 1", "ALTER TABLE a ALTER COLUMN b DROP DEFAULT",
	"ALTER TABLE a ADD COLUMN x int DEFAULT 1", "ALTER TABLE a ADD COLUMN x uuid DEFAULT gen_random_uuid()", "ALTER TABLE a ADD COLUMN x bigint GENERATED ALWAYS AS (b * 2) STORED",
	"ALTER TABLE a ADD COLUMN x bigserial", "ALTER TABLE a ADD COLUMN IF NOT EXISTS x int NOT NULL DEFAULT 0", "ALTER TABLE a ADD COLUMN x int REFERENCES parent (id)",
	"ALTER TABLE ONLY parts ALTER COLUMN id SET DEFAULT 1",
	"ALTER TABLE a ALTER COLUMN b TYPE bigint", "ALTER TABLE a ALTER COLUMN name TYPE text",
	"ALTER TABLE a ADD CONSTRAINT x UNIQUE (b)", "ALTER TABLE parts_2 ADD PRIMARY KEY (id)", "ALTER TABLE a ADD CONSTRAINT x UNIQUE USING INDEX a_c",
	"ALTER TABLE a ADD CONSTRAINT x EXCLUDE USING gist (span WITH &&)",
	"ALTER TABLE a RENAME COLUMN b TO x", "ALTER TABLE a RENAME TO x", "ALTER TABLE a RENAME CONSTRAINT a_positive TO x", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
	"ALTER TABLE a DROP COLUMN b", "ALTER TABLE a DROP CONSTRAINT a_positive", "ALTER TABLE a DROP CONSTRAINT a_parent", "DROP TABLE parts_2", "DROP TABLE child, parts_2", "DROP TABLE a CASCADE",
	"TRUNCATE child", "TRUNCATE TABLE parts_2, child", "TRUNCATE a CASCADE",
	"ALTER TABLE a ADD COLUMN x int, ADD CONSTRAINT y CHECK (b IN (1, 2)) NOT VALID, ALTER COLUMN c SET STATISTICS 500",
	"ALTER TYPE mood ADD VALUE 'happy'", "CREATE TYPE other AS ENUM ('x')", "CLUSTER a USING a_b",
	"ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')", "ALTER TABLE parts DETACH PARTITION parts_1",
	"CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')", "CREATE INDEX i ON ONLY parts (id)",
	"ALTER TABLE a ALTER COLUMN b SET STATISTICS 500", "ALTER TABLE a ALTER COLUMN b SET (n_distinct = 5)", "ALTER TABLE a ALTER COLUMN name SET STORAGE EXTERNAL",
	"ALTER TABLE a SET (fillfactor = 50)", "ALTER TABLE a SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)", "ALTER TABLE a RESET (fillfactor)",
	"ALTER TABLE a CLUSTER ON a_b", "ALTER TABLE a DISABLE TRIGGER stamp", "ALTER TABLE a ENABLE ROW LEVEL SECURITY", "ALTER TABLE a REPLICA IDENTITY FULL", "ALTER TABLE parts_2 SET UNLOGGED",
	"ALTER TABLE a OWNER TO CURRENT_USER", "ALTER TABLE heir INHERIT child", "CREATE TABLE x () INHERITS (child)",
	"CREATE TRIGGER x AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", "DROP TRIGGER stamp ON a", "ALTER TRIGGER stamp ON a RENAME TO x",
	"CREATE RULE x AS ON DELETE TO a DO INSTEAD NOTHING", "DROP RULE nothing ON child", "CREATE POLICY x ON a USING (true)", "ALTER POLICY own ON a USING (true)", "DROP POLICY own ON a",
	"CREATE STATISTICS x ON b, c FROM a", "ANALYZE a", "ANALYZE a (b), child", "COMMENT ON TABLE a IS 'x'", "COMMENT ON COLUMN a.b IS 'x'", "COMMENT ON COLUMN public.a.b IS 'x'", "COMMENT ON TYPE mood IS 'x'",
	"CREATE VIEW x AS SELECT id FROM a", "CREATE OR REPLACE VIEW v AS SELECT id, 1 AS one FROM parent", "DROP VIEW v", "ALTER VIEW v RENAME TO x",
	"CREATE MATERIALIZED VIEW x AS SELECT id FROM a", "REFRESH MATERIALIZED VIEW m", "REFRESH MATERIALIZED VIEW CONCURRENTLY m", "DROP MATERIALIZED VIEW m",
	"CREATE SEQUENCE x", "ALTER SEQUENCE numbers INCREMENT 2", "ALTER SEQUENCE numbers RENAME TO x", "DROP SEQUENCE numbers",
	"INSERT INTO parent VALUES (1)", "INSERT INTO parent VALUES (1) ON CONFLICT DO NOTHING", "UPDATE child SET id = 1", "DELETE FROM ONLY parts_2", "MERGE INTO parts_2 p USING parent ON p.id = parent.id WHEN MATCHED THEN DELETE",
	"SELECT id FROM a FOR UPDATE", "SELECT count(*) FROM a", "WITH x AS (DELETE FROM parts_2 RETURNING id) SELECT * FROM x",
	"LOCK TABLE a IN SHARE MODE", "LOCK a", "LOCK TABLE a IN ACCESS EXCLUSIVE MODE NOWAIT", "LOCK TABLE a, child IN SHARE ROW EXCLUSIVE MODE",
	"DO $$ BEGIN DROP TABLE child; END $$", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
	"CREATE DOMAIN x AS text", "ALTER DOMAIN short ADD CHECK (VALUE <> '')", "CREATE SCHEMA x", "GRANT SELECT ON a TO PUBLIC", "REVOKE ALL ON a FROM PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
	"SET LOCAL lock_timeout = '1s'", "CREATE TABLE x (id int PRIMARY KEY, parent_id int REFERENCES parent)", "CREATE TABLE x AS SELECT * FROM a", "CREATE TABLE IF NOT EXISTS x (LIKE a)", "CREATE UNLOGGED TABLE x ()",
}

func TestExpectedLocksAreThoseReallyTaken(t *testing.T) {
	s := newService(t, nil)
	engine, err := New(s.Silence())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	opened, err := engine.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if _, err := opened.Exec(standing); err != nil {
		t.Fatal(err)
	}
	there, err := (&checker{Session: opened}).relations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range lockCorpus {
		transaction, err := opened.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transaction.Exec(statement); err != nil {
			t.Errorf("%s: %s", statement, err)
			transaction.Rollback()
			continue
		}
		measured, err := taken(ctx, transaction, there)
		if err != nil {
			t.Fatal(err)
		}
		transaction.Rollback()
		expectation := locks.Expect(migration.Statement{Text: statement + ";"}.Plain(), map[string]bool{})
		want := resolve(expectation.Locks, there)
		if got := listed(measured); got != want && (expectation.Unknown == "" || !containsAll(got, want)) {
			t.Errorf("%s takes %q, not %q (%s)", statement, got, want, expectation.Unknown)
		}
	}
}

// resolve names the relations as the catalog does, the table of an index among them, and leaves out the index where its
// table is locked as strongly.
func resolve(expected []locks.Lock, there map[uint32]relation) string {
	tables := map[string]string{}
	for _, each := range there {
		if each.table != 0 {
			tables[each.name] = there[each.table].name
		}
	}
	strongest := map[string]locks.Mode{}
	for _, lock := range expected {
		name := locks.Name(lock.Relation)
		if lock.OfIndex {
			name = tables[name]
		}
		if lock.Mode.StrongerThan(strongest[name]) {
			strongest[name] = lock.Mode
		}
	}
	var all []locks.Lock
	for name, mode := range strongest {
		if table, isIndex := tables[name]; !isIndex || mode.StrongerThan(strongest[table]) {
			all = append(all, locks.Lock{Relation: name, Mode: mode})
		}
	}
	sortLocks(all)
	return listed(all)
}

func containsAll(got, want string) bool {
	if want == "" {
		return true
	}
	all := strings.Split(got, ", ")
	for _, each := range strings.Split(want, ", ") {
		found := false
		for _, one := range all {
			found = found || one == each
		}
		if !found {
			return false
		}
	}
	return true
}
