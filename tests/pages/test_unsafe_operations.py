"""The guide's table of unsafe operations names the lock that each one really takes, on the oldest and the newest server."""

from __future__ import annotations

import re

from dev.toolchain.install import ROOT
from tests.amounts import both_ends

# What each row is about, in SQL; nothing for the rows that are not about one statement.
STATEMENTS = {
    "`CREATE INDEX`": "CREATE INDEX ON accounts (name)",
    "`DROP INDEX`": "DROP INDEX accounts_name_idx",
    "`REINDEX`": "REINDEX INDEX accounts_name_idx",
    "Adding a unique constraint or a primary key": "ALTER TABLE accounts ADD UNIQUE (name)",
    "Adding a foreign key": "ALTER TABLE accounts ADD FOREIGN KEY (team) REFERENCES teams",
    "Adding a `CHECK` constraint": "ALTER TABLE accounts ADD CHECK (name <> '')",
    "`SET NOT NULL`": "ALTER TABLE accounts ALTER name SET NOT NULL",
    "Adding a `NOT NULL` column without a default": "ALTER TABLE accounts ADD age int NOT NULL",
    "Adding a column whose default differs by row, such as `gen_random_uuid()`": (
        "ALTER TABLE accounts ADD key uuid DEFAULT gen_random_uuid()"
    ),
    "Adding a `STORED` generated column": "ALTER TABLE accounts ADD big text GENERATED ALWAYS AS (upper(name)) STORED",
    "Changing the type of a column": "ALTER TABLE accounts ALTER id TYPE numeric",
    "Renaming a column or a table": "ALTER TABLE accounts RENAME name TO title",
    "Dropping a column or a table": "ALTER TABLE accounts DROP name",
    "`TRUNCATE`": "TRUNCATE accounts",
    "`UPDATE` or `DELETE` of a whole table": "UPDATE accounts SET name = 'x'",
    "`CREATE TRIGGER`": (
        "CREATE TRIGGER same BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "`ATTACH PARTITION`": "ALTER TABLE events ATTACH PARTITION today FOR VALUES IN (1)",
    "`REFRESH MATERIALIZED VIEW`": "REFRESH MATERIALIZED VIEW names",
    "`CLUSTER`, `VACUUM FULL`": "CLUSTER accounts USING accounts_name_idx",
    "Adding a value to an enum": "ALTER TYPE mood ADD VALUE 'calm'",
    "Changing rows in the file that alters a table": "",
    "Changing several tables in one file": "",
}
TABLES = """
    CREATE TABLE teams (id int PRIMARY KEY);
    CREATE TABLE accounts (id int, name text, team int);
    CREATE INDEX accounts_name_idx ON accounts (name);
    CREATE TABLE events (day int) PARTITION BY LIST (day);
    CREATE TABLE today (day int);
    CREATE MATERIALIZED VIEW names AS SELECT id FROM teams;
    CREATE TYPE mood AS ENUM ('glad');
"""
# The strongest lock of this session on one of the tables, but for a partition, about which its row says more.
LOCK = """
    SELECT upper(regexp_replace(regexp_replace(mode, 'Lock$', ''), '(?<=[a-z])(?=[A-Z])', ' ', 'g'))
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE pid = pg_backend_pid() AND relname IN ('accounts', 'events', 'names') AND mode <> 'AccessShareLock'
    ORDER BY array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                                  'ExclusiveLock', 'AccessExclusiveLock'], mode) DESC LIMIT 1
"""


def rows(language: str) -> list[list[str]]:
    """The cells of the table's rows."""
    guide = (ROOT / f"includes/documents/{language}/unsafe-operations.md").read_text()
    head = {"en": "| Operation | Lock |", "ja": "| 操作 | ロック |"}[language]
    _, _, *lines = guide[guide.index(head) :].partition("\n\n")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines]


@both_ends
def test_each_operation_takes_the_lock_that_the_table_names(postgres, database):
    database.query(TABLES)
    told = {operation: lock for operation, lock, *_ in rows("en")}
    assert set(told) == set(STATEMENTS)
    for operation, statement in STATEMENTS.items():
        if statement:
            with database.connect() as connection, connection.transaction(force_rollback=True):
                connection.execute(statement)
                found = connection.execute(LOCK).fetchone()
            assert told[operation] == (f"`{found[0]}`" if found else "none"), operation


def test_both_languages_name_the_same_locks():
    english, japanese = ([re.findall("`.*`", row[1]) for row in rows(language)] for language in ("en", "ja"))
    assert english == japanese
