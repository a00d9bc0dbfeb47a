-- unsafe require-concurrent-index-creation
CREATE INDEX i ON a (b);

-- unsafe require-concurrent-index-creation
CREATE UNIQUE INDEX i ON a (b, c);

-- unsafe require-concurrent-index-creation
CREATE INDEX ON a (lower(name));

-- unsafe require-concurrent-index-creation
CREATE INDEX i ON a (b) WHERE c > 0;

-- unsafe require-concurrent-index-creation
CREATE INDEX i ON a USING hash (b);

-- unsafe require-concurrent-index-creation
CREATE INDEX i ON m (id);

-- unsafe require-concurrent-index-creation
CREATE INDEX i ON parts (id);

-- unsafe require-concurrent-index-creation
CREATE INDEX i ON other.a (id);

-- unsafe require-concurrent-index-creation
DO $$ BEGIN
  CREATE INDEX i ON a (b);
END $$;

-- unsafe require-concurrent-index-creation
DO $$ BEGIN
  EXECUTE 'CREATE INDEX i ON a (b)';
END $$;

-- unsafe require-concurrent-index-creation
DO $$ BEGIN
  EXECUTE format('CREATE INDEX %I ON a (b)', 'i');
END $$;

-- unsafe require-concurrent-index-creation
DO $$ BEGIN
  IF true THEN CREATE INDEX i ON a (b); END IF;
END $$;

-- unsafe wide-index NO TRANSACTION
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b, c, name, parent_id);

-- unsafe require-concurrent-index-deletion
DROP INDEX a_b;

-- unsafe require-concurrent-index-deletion
DROP INDEX IF EXISTS a_b, a_c;

-- unsafe require-concurrent-reindex
REINDEX INDEX a_b;

-- unsafe require-concurrent-reindex
REINDEX TABLE a;

-- unsafe refused-by-postgresql NO TRANSACTION
DROP INDEX CONCURRENTLY IF EXISTS a_b, a_c;

-- unsafe refused-by-postgresql NO TRANSACTION
DROP INDEX CONCURRENTLY IF EXISTS a_b CASCADE;

-- unsafe outside-transaction
CREATE INDEX CONCURRENTLY i ON a (b);

-- unsafe outside-transaction
DROP INDEX CONCURRENTLY a_b;

-- unsafe outside-transaction
REINDEX INDEX CONCURRENTLY a_b;

-- unsafe outside-transaction
REINDEX (CONCURRENTLY) TABLE a;

-- unsafe outside-transaction
VACUUM a;

-- unsafe outside-transaction
VACUUM (FULL) a;

-- unsafe outside-transaction
ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY;

-- unsafe outside-transaction
CREATE DATABASE x;

-- unsafe outside-transaction
DROP DATABASE x;

-- unsafe outside-transaction
CLUSTER;

-- unsafe outside-transaction
REINDEX DATABASE x;

-- unsafe outside-transaction
REINDEX SCHEMA public;

-- unsafe outside-transaction
ALTER SYSTEM SET work_mem = '1MB';

-- unsafe outside-transaction
CREATE TABLESPACE x LOCATION '/x';

-- unsafe outside-transaction
DISCARD ALL;

-- unsafe outside-transaction
DROP SUBSCRIPTION x;

-- unsafe ban-table-rewrite
ALTER TABLE a SET LOGGED;

-- unsafe ban-table-rewrite
ALTER TABLE parts_2 SET UNLOGGED;

-- unsafe ban-table-rewrite
ALTER TABLE a SET TABLESPACE fast;

-- unsafe ban-table-rewrite
ALTER INDEX a_b SET TABLESPACE fast;

-- unsafe ban-table-rewrite
ALTER TABLE a SET ACCESS METHOD heap2;

-- unsafe ban-table-rewrite
CLUSTER a USING a_b;

-- unsafe ban-table-rewrite
ALTER MATERIALIZED VIEW m SET TABLESPACE fast;

-- unsafe ban-table-rewrite
DO $$ BEGIN
  ALTER TABLE a ADD COLUMN u uuid DEFAULT gen_random_uuid();
END $$;

-- unsafe ban-table-rewrite
DO $$ BEGIN
  CLUSTER a USING a_b;
END $$;

-- unsafe ban-table-rewrite
DO $$ BEGIN
  EXECUTE 'ALTER TABLE a ADD COLUMN s bigint GENERATED ALWAYS AS (b * 2) STORED';
END $$;

-- unsafe ban-table-rewrite NO TRANSACTION
VACUUM FULL a;

-- unsafe ban-table-rewrite NO TRANSACTION
VACUUM (FULL true) a;

-- unsafe ban-table-rewrite NO TRANSACTION
VACUUM (FULL, ANALYZE) a, child;

-- unsafe ban-table-rewrite NO TRANSACTION
VACUUM FULL;

-- unsafe ban-table-rewrite NO TRANSACTION
CLUSTER;

-- unsafe adding-field-with-default
ALTER TABLE a ADD COLUMN u uuid DEFAULT gen_random_uuid();

-- unsafe adding-field-with-default
ALTER TABLE a ADD COLUMN t timestamptz DEFAULT clock_timestamp();

-- unsafe adding-field-with-default
ALTER TABLE a ADD COLUMN r float8 NOT NULL DEFAULT random();

-- unsafe adding-field-with-default
ALTER TABLE a ADD COLUMN n bigint DEFAULT nextval('numbers');

-- unsafe adding-field-with-default|ban-table-rewrite
ALTER TABLE a ADD COLUMN s bigint GENERATED ALWAYS AS (b * 2) STORED;

-- unsafe adding-field-with-default|ban-table-rewrite
ALTER TABLE a ADD COLUMN i bigint GENERATED ALWAYS AS IDENTITY;

-- unsafe adding-serial-primary-key-field|ban-table-rewrite|.*
ALTER TABLE a ADD COLUMN n bigserial;

-- unsafe adding-serial-primary-key-field|ban-table-rewrite|.*
ALTER TABLE child ADD COLUMN n bigserial PRIMARY KEY;

-- unsafe changing-column-type
ALTER TABLE a ALTER COLUMN b TYPE bigint;

-- unsafe changing-column-type
ALTER TABLE a ALTER b SET DATA TYPE text USING b::text;

-- unsafe changing-column-type
ALTER TABLE a ALTER name TYPE varchar(10);

-- unsafe changing-column-type
ALTER TABLE a ALTER c TYPE numeric(10, 2);

-- unsafe changing-column-type
DO $$ BEGIN
  ALTER TABLE a ALTER b TYPE bigint;
END $$;

-- unsafe require-concurrent-refresh
REFRESH MATERIALIZED VIEW m;

-- unsafe require-concurrent-refresh
REFRESH MATERIALIZED VIEW m WITH NO DATA;

-- unsafe require-concurrent-refresh
DO $$ BEGIN
  REFRESH MATERIALIZED VIEW m;
END $$;

-- unsafe constraint-missing-not-valid
ALTER TABLE a ADD CONSTRAINT x CHECK (b > 0);

-- unsafe constraint-missing-not-valid
ALTER TABLE a ADD CHECK (b > 0), ADD COLUMN z text;

-- unsafe constraint-missing-not-valid
ALTER TABLE a ADD COLUMN z bigint CHECK (z > 0);

-- unsafe constraint-missing-not-valid
ALTER TABLE parts ADD CHECK (id > 0);

-- unsafe constraint-missing-not-valid
ALTER TABLE typed ADD CHECK (zip <> '');

-- unsafe constraint-missing-not-valid
DO $$ BEGIN
  ALTER TABLE a ADD CHECK (b > 0);
END $$;

-- unsafe constraint-missing-not-valid
DO $$ BEGIN
  EXECUTE 'ALTER TABLE a ' || 'ADD CHECK (b > 0)';
END $$;

-- unsafe constraint-missing-not-valid
ALTER DOMAIN short SET NOT NULL;

-- unsafe constraint-missing-not-valid|ban-alter-domain-with-add-constraint
ALTER DOMAIN short ADD CHECK (VALUE <> '');

-- unsafe adding-not-nullable-field
ALTER TABLE a ALTER COLUMN b SET NOT NULL;

-- unsafe adding-not-nullable-field
ALTER TABLE child ALTER a_id SET NOT NULL;

-- unsafe adding-not-nullable-field
DO $$ BEGIN
  ALTER TABLE a ALTER b SET NOT NULL;
END $$;

-- unsafe adding-required-field
ALTER TABLE a ADD COLUMN z text NOT NULL;

-- unsafe adding-foreign-key-constraint
ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id);

-- unsafe adding-foreign-key-constraint
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;

-- unsafe adding-foreign-key-constraint
ALTER TABLE child ADD COLUMN p int REFERENCES parent;

-- unsafe adding-foreign-key-constraint
DO $$ BEGIN
  ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent;
END $$;

-- unsafe disallowed-unique-constraint
ALTER TABLE a ADD CONSTRAINT x UNIQUE (b);

-- unsafe disallowed-unique-constraint
ALTER TABLE a ADD COLUMN z bigint UNIQUE;

-- unsafe disallowed-unique-constraint
DO $$ BEGIN
  ALTER TABLE a ADD UNIQUE (b);
END $$;

-- unsafe adding-serial-primary-key-field|disallowed-unique-constraint
ALTER TABLE parts_2 ADD PRIMARY KEY (id);

-- unsafe ban-exclusion-constraint
ALTER TABLE a ADD CONSTRAINT x EXCLUDE USING gist (span WITH &&);

-- unsafe partition-under-lock
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');

-- unsafe partition-under-lock
CREATE TABLE parts_4 PARTITION OF parts FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');

-- unsafe partition-under-lock
ALTER TABLE defaulted ATTACH PARTITION defaulted_new FOR VALUES FROM (1) TO (2);

-- unsafe partition-under-lock
CREATE TABLE referring_2 PARTITION OF referring FOR VALUES FROM (10) TO (20);

-- unsafe require-concurrent-partition-detach|.*
ALTER TABLE parts DETACH PARTITION parts_1;

-- unsafe require-concurrent-partition-detach|.*
ALTER TABLE referring DETACH PARTITION referring_1;

-- unsafe require-where
UPDATE a SET b = 1;

-- unsafe require-where
UPDATE a SET b = 1 WHERE true;

-- unsafe require-where
UPDATE a SET b = 1 WHERE 1 = 1;

-- unsafe require-where
UPDATE a SET b = 1 WHERE 't'::boolean;

-- unsafe require-where
UPDATE a SET b = 1 WHERE NOT false;

-- unsafe require-where
UPDATE a SET b = 1 WHERE 1 < 2 OR b > 0;

-- unsafe require-where
DELETE FROM a;

-- unsafe require-where
DELETE FROM ONLY a WHERE true;

-- unsafe require-where
UPDATE other.a SET id = 1;

-- unsafe require-where
UPDATE a SET b = (SELECT max(id) FROM parent WHERE parent.id = a.parent_id);

-- unsafe require-where
WITH d AS (DELETE FROM audited RETURNING id) INSERT INTO log SELECT id FROM d;

-- unsafe require-where
WITH u AS (UPDATE a SET b = 1 RETURNING id) SELECT count(*) FROM u;

-- unsafe require-where
MERGE INTO a USING parent ON true WHEN MATCHED THEN UPDATE SET b = 1;

-- unsafe require-where
DO $$ BEGIN
  UPDATE a SET b = 1;
END $$;

-- unsafe require-where
DO $$ BEGIN
  DELETE FROM a;
END $$;

-- unsafe require-where
DO $$ BEGIN
  EXECUTE 'DELETE FROM a';
END $$;

-- unsafe require-where
DO $$ BEGIN
  FOR i IN 1 .. 2 LOOP UPDATE a SET b = i; END LOOP;
END $$;

-- unsafe require-where
CREATE TABLE IF NOT EXISTS a (id int);
UPDATE a SET b = 1;

-- unsafe require-where
UPDATE a SET b = 1 FROM parent;

-- unsafe require-where
UPDATE updatable SET b = 2;

-- unsafe ban-truncate
TRUNCATE child;

-- unsafe ban-truncate
TRUNCATE TABLE parts_2, heir;

-- unsafe ban-truncate
DO $$ BEGIN
  TRUNCATE child;
END $$;

-- unsafe ban-truncate|ban-truncate-cascade
TRUNCATE a CASCADE;

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
ALTER TABLE child ADD COLUMN z text;

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
CREATE POLICY p ON child USING (true);

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f();

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
CREATE TABLE notes (id bigint PRIMARY KEY, parent_id bigint REFERENCES parent);

-- unsafe one-table-per-transaction
CREATE TABLE notes (p bigint REFERENCES parent, a bigint REFERENCES a);

-- unsafe one-table-per-transaction
ALTER TABLE public.a ADD COLUMN z text;
ALTER TABLE other.a ADD COLUMN z text;

-- unsafe one-table-per-transaction
LOCK TABLE a IN SHARE MODE;
LOCK TABLE child IN SHARE MODE;

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
DO $$ BEGIN
  ALTER TABLE child ADD COLUMN z text;
END $$;

-- unsafe one-table-per-transaction
ALTER TABLE a ADD COLUMN z text;
CREATE RULE r AS ON DELETE TO heir DO INSTEAD NOTHING;

-- unsafe one-table-per-transaction
DO $$ BEGIN
  ALTER TABLE a ADD COLUMN z text;
  ALTER TABLE child ADD COLUMN z text;
END $$;

-- unsafe one-table-per-transaction
DO $$ BEGIN
  EXECUTE 'ALTER TABLE ' || 'child ADD COLUMN z text';
END $$;
ALTER TABLE a ADD COLUMN z text;

-- unsafe one-table-per-transaction
CALL alter_a();
ALTER TABLE child ADD COLUMN z text;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
UPDATE a SET z = name WHERE z IS NULL;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
INSERT INTO log (id) SELECT id FROM a;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
SELECT fill();

-- unsafe data-apart-from-schema
UPDATE audited SET n = 2 WHERE id = 1;
ALTER TABLE a ADD COLUMN z text;

-- unsafe data-apart-from-schema
CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
UPDATE audited SET n = 2 WHERE id = 1;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
CREATE TABLE copied AS SELECT * FROM parent;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
DO $$ BEGIN
  UPDATE audited SET n = 2 WHERE id = 1;
END $$;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
DELETE FROM audited WHERE id = 1;

-- unsafe data-apart-from-schema
ALTER TABLE a ADD COLUMN z text;
MERGE INTO audited USING parent ON audited.id = parent.id WHEN MATCHED THEN UPDATE SET n = 3;

-- unsafe data-apart-from-schema
DO $$ BEGIN
  ALTER TABLE a ADD COLUMN z text;
  UPDATE audited SET n = 2 WHERE id = 1;
END $$;

-- unsafe enum-value-apart-from-use
ALTER TYPE mood ADD VALUE 'happy';
SELECT 'happy'::mood;

-- unsafe keep-limits
SET LOCAL lock_timeout = 0;

-- unsafe keep-limits
SET lock_timeout TO '0';

-- unsafe keep-limits
SET statement_timeout = 0;

-- unsafe keep-limits
SET LOCAL statement_timeout TO DEFAULT;

-- unsafe keep-limits
RESET lock_timeout;

-- unsafe keep-limits
RESET ALL;

-- unsafe keep-limits
SELECT set_config('lock_timeout', '0', false);

-- unsafe keep-limits
SELECT pg_catalog.set_config('statement_timeout', '0', true);

-- unsafe keep-limits
SET lock_timeout = '2h';

-- unsafe keep-limits
SET idle_in_transaction_session_timeout = 0;

-- unsafe keep-limits
DO $$ BEGIN
  PERFORM set_config('lock_timeout', '0', true);
END $$;

-- unsafe keep-limits
DO $$ BEGIN
  SET LOCAL lock_timeout = 0;
END $$;

-- unsafe keep-constraints
SET session_replication_role = replica;

-- unsafe keep-constraints
SET LOCAL session_replication_role = 'replica';

-- unsafe keep-constraints
SELECT set_config('session_replication_role', 'replica', true);

-- unsafe keep-constraints
ALTER TABLE a DISABLE TRIGGER ALL;

-- unsafe keep-constraints
ALTER TABLE a DISABLE TRIGGER USER;

-- unsafe keep-rights
REVOKE SELECT ON a FROM pg_database_owner;

-- unsafe keep-rights
REVOKE ALL ON ALL TABLES IN SCHEMA other FROM pg_monitor;
REVOKE INSERT ON a FROM pg_monitor;

-- unsafe keep-rights
ALTER TABLE a OWNER TO pg_database_owner;

-- unsafe keep-rights
ALTER VIEW v OWNER TO nobody_there;

-- unsafe keep-rights
ALTER TABLE child ENABLE ROW LEVEL SECURITY;

-- unsafe keep-rights
ALTER FUNCTION plain() OWNER TO nobody_there;

-- unsafe keep-limits
ALTER DATABASE postgres SET lock_timeout = 0;

-- unsafe keep-limits
ALTER ROLE pg_monitor SET statement_timeout = '0';

-- unsafe keep-limits
CREATE FUNCTION unlimited() RETURNS int LANGUAGE sql SET lock_timeout = 0 AS 'SELECT 1';

-- unsafe require-where
UPDATE a SET b = 1 WHERE id = id;

-- unsafe require-where
DELETE FROM child c WHERE c.id = c.id OR c.id = 1;

-- unsafe keep-replica-identity
ALTER TABLE a REPLICA IDENTITY NOTHING;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP VIEW v;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP MATERIALIZED VIEW m;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP SEQUENCE numbers;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP TYPE address CASCADE;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP DOMAIN short CASCADE;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP FUNCTION plain();

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP PROCEDURE alter_a;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DROP SCHEMA other CASCADE;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DO $$ BEGIN
  DROP VIEW v;
END $$;

-- unsafe ban-drop-(object|view|sequence|type|domain|function|schema)
DO $$ BEGIN
  EXECUTE 'DROP VIEW ' || 'v';
END $$;

-- unsafe ban-drop-default
ALTER TABLE a ALTER b DROP DEFAULT;

-- unsafe ban-drop-constraint
ALTER TABLE a DROP CONSTRAINT a_positive;

-- unsafe ban-drop-table
DROP TABLE child;

-- unsafe ban-drop-table
DROP TABLE a CASCADE;

-- unsafe ban-drop-table
DO $$ BEGIN
  DROP TABLE child;
END $$;

-- unsafe ban-drop-table
DO $$ BEGIN
  EXECUTE format('DROP TABLE %I', 'child');
END $$;

-- unsafe ban-drop-column
ALTER TABLE a DROP COLUMN c;

-- unsafe ban-drop-column
DO $$ BEGIN
  ALTER TABLE a DROP COLUMN c;
END $$;

-- unsafe ban-drop-column
DO $$ BEGIN
  EXECUTE 'ALTER TABLE a DROP COLUMN ' || 'c';
END $$;

-- unsafe renaming-column
ALTER TABLE a RENAME COLUMN b TO z;

-- unsafe renaming-column
DO $$ BEGIN
  ALTER TABLE a RENAME b TO z;
END $$;

-- unsafe renaming-column
DO $$ BEGIN
  EXECUTE 'ALTER TABLE a RENAME b TO ' || 'z';
END $$;

-- unsafe renaming-table
ALTER TABLE a RENAME TO z;

-- unsafe renaming-table
DO $$ BEGIN
  ALTER TABLE a RENAME TO z;
END $$;

-- unsafe renaming-object|ban-set-schema
ALTER VIEW v RENAME TO z;

-- unsafe renaming-object|ban-set-schema
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';

-- unsafe renaming-object|ban-set-schema
ALTER TABLE heir SET SCHEMA other;

-- unsafe renaming-object|ban-set-schema
ALTER SCHEMA other RENAME TO z;

-- unsafe renaming-object|ban-set-schema
ALTER FUNCTION plain() RENAME TO z;

-- unsafe renaming-object|ban-set-schema
ALTER TYPE mood RENAME TO z;

-- unsafe prefer-lookup-table
CREATE TYPE z AS ENUM ('x');

-- unsafe ban-money-field
CREATE TABLE z (id bigint PRIMARY KEY, m money);

-- unsafe ban-money-field
ALTER TABLE a ADD COLUMN z money;

-- unsafe prefer-jsonb
CREATE TABLE z (id bigint PRIMARY KEY, m json);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
CREATE INDEX z_t ON z (t);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ADD COLUMN x bigint NOT NULL DEFAULT 1;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ADD CHECK (t <> '');

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ALTER t SET NOT NULL;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z DROP COLUMN t;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ALTER t TYPE varchar(5);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
UPDATE z SET t = 'x';

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
INSERT INTO z SELECT id FROM parent;
DELETE FROM z;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ADD CONSTRAINT t_once UNIQUE (t);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z RENAME COLUMN t TO u;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, p bigint REFERENCES parent);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY, t text);
ALTER TABLE z ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON z USING (true);

-- safe
CREATE TABLE z (id bigint PRIMARY KEY);
TRUNCATE z;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY);
DROP TABLE z;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY);
CREATE TRIGGER t BEFORE INSERT ON z FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE a ADD COLUMN z text;

-- safe
CREATE TEMP TABLE z (id bigint);
UPDATE z SET id = 1;

-- safe
ALTER TABLE a ADD COLUMN z text;

-- safe
ALTER TABLE a ADD COLUMN IF NOT EXISTS z bigint;

-- safe
ALTER TABLE a ADD COLUMN z bigint NOT NULL DEFAULT 0;

-- safe
ALTER TABLE a ADD COLUMN z bigint NOT NULL DEFAULT -1;

-- safe
ALTER TABLE a ADD COLUMN z text DEFAULT 'x' || 'y';

-- safe
ALTER TABLE a ADD COLUMN z text NOT NULL DEFAULT lower('A');

-- safe
ALTER TABLE a ADD COLUMN z timestamptz NOT NULL DEFAULT now();

-- safe
ALTER TABLE a ADD COLUMN z date DEFAULT CURRENT_DATE;

-- safe
ALTER TABLE a ADD COLUMN z text DEFAULT current_user;

-- safe
ALTER TABLE a ADD COLUMN z jsonb NOT NULL DEFAULT '{}';

-- safe
ALTER TABLE a ADD COLUMN z bigint[] DEFAULT ARRAY[]::bigint[];

-- safe
ALTER TABLE a ADD COLUMN z text, ADD COLUMN y text;

-- safe
ALTER TABLE a ALTER b SET DEFAULT 1;

-- safe
ALTER TABLE a ADD CONSTRAINT x CHECK (b > 0) NOT VALID;

-- safe
ALTER TABLE a VALIDATE CONSTRAINT a_positive;

-- safe
ALTER TABLE child VALIDATE CONSTRAINT child_a;

-- safe
ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id) NOT VALID;

-- safe
ALTER TABLE filled ALTER x SET NOT NULL;

-- safe
ALTER TABLE a ADD CONSTRAINT x UNIQUE USING INDEX a_c;

-- safe
ALTER TABLE a ALTER COLUMN b SET STATISTICS 500;

-- safe
ALTER TABLE a SET (fillfactor = 50);

-- safe
ALTER TABLE a SET (autovacuum_enabled = false);

-- safe
ALTER TABLE a RENAME CONSTRAINT a_positive TO x;

-- safe
ALTER INDEX a_b RENAME TO x;

-- safe
ALTER TABLE a REPLICA IDENTITY FULL;

-- safe
ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');

-- safe
ALTER TABLE a CLUSTER ON a_b;

-- safe
ALTER TABLE a DISABLE TRIGGER stamp;

-- safe
ALTER TABLE a ALTER COLUMN name TYPE text;

-- safe
ALTER TABLE a ALTER COLUMN name TYPE varchar(30);

-- safe NO TRANSACTION
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b);

-- safe NO TRANSACTION
DROP INDEX CONCURRENTLY IF EXISTS a_b;

-- safe NO TRANSACTION
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b, c);

-- safe NO TRANSACTION
REINDEX INDEX CONCURRENTLY a_b;

-- safe NO TRANSACTION
REINDEX (CONCURRENTLY) TABLE a;

-- safe NO TRANSACTION
VACUUM a;

-- safe NO TRANSACTION
VACUUM (ANALYZE) a;

-- safe NO TRANSACTION
VACUUM (FULL false) a;

-- safe NO TRANSACTION
ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY;

-- safe NO TRANSACTION
REFRESH MATERIALIZED VIEW CONCURRENTLY m;

-- safe
CREATE INDEX i ON ONLY parts (id);

-- safe
CREATE MATERIALIZED VIEW z AS SELECT 1 AS x;
CREATE UNIQUE INDEX z_x ON z (x);

-- safe
CREATE MATERIALIZED VIEW z AS SELECT 1 AS x WITH NO DATA;
REFRESH MATERIALIZED VIEW z;

-- safe
CREATE VIEW z AS SELECT id FROM a;

-- safe
CREATE OR REPLACE VIEW v AS SELECT id, 1 AS one FROM parent;

-- safe
DROP VIEW v;
CREATE VIEW v AS SELECT 1 AS id;

-- safe
CREATE SEQUENCE z;

-- safe
ALTER SEQUENCE numbers INCREMENT 2;

-- safe
CREATE OR REPLACE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 2';

-- safe
CREATE FUNCTION z() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE a SET b = 1; RETURN 1; END $$;

-- safe
CREATE TRIGGER z BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();

-- safe
DROP TRIGGER stamp ON a;

-- safe
CREATE POLICY z ON a USING (true);

-- safe
DROP POLICY own ON a;

-- safe
COMMENT ON TABLE a IS 'x';

-- safe
COMMENT ON COLUMN a.b IS 'x';

-- safe
CREATE STATISTICS z ON b, c FROM a;

-- safe
ANALYZE a;

-- safe
GRANT SELECT ON a TO PUBLIC;

-- safe
CREATE DOMAIN z AS text;

-- safe
CREATE TYPE z AS (x text, y text);

-- safe
CREATE SCHEMA z;

-- safe
ALTER TYPE mood ADD VALUE 'happy';

-- safe
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'happy' AFTER 'sad';

-- safe
INSERT INTO parent VALUES (3);

-- safe
INSERT INTO parent VALUES (1) ON CONFLICT DO NOTHING;

-- safe
UPDATE a SET b = 1 WHERE id = 1;

-- safe
DELETE FROM audited WHERE id = 1;

-- safe
WITH d AS (DELETE FROM audited WHERE id = 1 RETURNING id) INSERT INTO log SELECT id FROM d;

-- safe
SELECT count(*) FROM a;

-- safe
SET LOCAL lock_timeout = '1s';

-- safe
SET statement_timeout = '5s';

-- safe
SET LOCAL search_path = public;

-- safe
SELECT setval('numbers', 10);

-- safe
DO $$ BEGIN
  PERFORM 1;
END $$;

-- safe
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nobody') THEN NULL; END IF;
END $$;

-- safe
ALTER TABLE a ADD COLUMN z text;
COMMENT ON COLUMN a.z IS 'x';

-- safe
ALTER TABLE a ADD COLUMN z text;
ALTER TABLE a ADD COLUMN y text;

-- safe
REVOKE ALL ON a FROM PUBLIC;

-- safe
CREATE TABLE z (id bigint PRIMARY KEY);
REVOKE ALL ON z FROM pg_monitor;

-- safe
ALTER DATABASE postgres SET lock_timeout = '5s';

-- safe
UPDATE a SET b = 1 WHERE c = b;
