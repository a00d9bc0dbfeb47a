"""Two roles share the work: one migrates, one reads and writes rows, and a DBA without superuser makes both."""

import pytest
from psycopg.errors import InsufficientPrivilege

from tests.amounts import both_ends
from tests.conftest import Database

ENGINE = "tools/migrate/bin/migrate"
ENGINES_TABLES = {
    "goose_db_version",
    "goose_db_version_backfill",
    "goose_db_version_checksum",
    "goose_db_version_environment",
    "goose_db_version_lock",
    "goose_seed_version",
}
ROLES = """
SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname LIKE 'avion\\_%';
SELECT setrole::regrole, setconfig FROM pg_db_role_setting ORDER BY 1;
SELECT defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1;
SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE roleid::regrole::text LIKE 'avion\\_%' ORDER BY 1, 2;
SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1;
SELECT datacl FROM pg_database WHERE datname = current_database();
"""


class Login(Database):
    """The same database with the login of one of its roles."""

    def __init__(self, server, user: str) -> None:
        super().__init__(server, "avion_auth_db", user)

    def is_refused(self, sql: str) -> None:
        with pytest.raises(InsufficientPrivilege):
            self.query(sql)


@pytest.fixture
def logins(postgres):
    """The DBA, who owns the database, and the two roles that the script is to create."""
    names = {"dba": "some_dba", "migrator": "avion_auth_migrator", "app": "avion_auth_app"}
    made = {role: Login(postgres, name) for role, name in names.items()}
    dba = made["dba"]
    postgres.execute(
        "CREATE ROLE some_dba LOGIN CREATEROLE PASSWORD :'password'; CREATE DATABASE avion_auth_db OWNER some_dba",
        password=dba["DB_PASSWORD"],
    )
    yield made
    postgres.execute("DROP DATABASE avion_auth_db WITH (FORCE)")
    for name in reversed(names.values()):
        postgres.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture
def create_roles(run, postgres, logins):
    """Runs the script as its first lines say, and gives the roles their passwords."""

    def create_roles(folder) -> None:
        script = ("psql", "-X", "--dbname=avion_auth_db", "--file=scripts/migration-roles.sql")
        ended = run(*script, cwd=folder, env=logins["dba"].libpq)
        assert ended.returncode == 0, ended.stderr
        for role in ("migrator", "app"):
            name, password = logins[role]["DB_USER"], logins[role]["DB_PASSWORD"]
            postgres.execute(f"ALTER ROLE {name} PASSWORD :'password'", password=password)

    return create_roles


@pytest.fixture
def migrate(run, logins):
    def migrate(folder, *arguments: str) -> None:
        ended = run(ENGINE, *arguments, cwd=folder, env={"ENVIRONMENT": "test", **logins["migrator"]})
        assert ended.returncode == 0, ended.stderr

    return migrate


def write(folder, number: int, table: str) -> None:
    (folder / f"migrations/{number:05}_create_{table}.sql").write_text(
        f"-- +goose Up\nCREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
        f"old serial, word text);\nCREATE VIEW {table}_words AS SELECT word FROM {table};\n"
        f"CREATE MATERIALIZED VIEW {table}_copy AS SELECT word FROM {table};\n-- +goose Down\nDROP TABLE {table} CASCADE;\n"
    )


def assert_rows_are_the_apps(app: Login, table: str) -> None:
    app.query(f"INSERT INTO {table} (word) VALUES ('a'), ('b')")
    app.query(f"UPDATE {table} SET word = 'c' WHERE word = 'a'")
    app.query(f"DELETE FROM {table} WHERE word = 'b'")
    assert app.query(f"SELECT word FROM {table}") == [("c",)]
    for view in ("words", "copy"):
        app.query(f"SELECT word FROM {table}_{view}")
    app.query(f"DELETE FROM {table}")


@both_ends
def test_the_app_reads_and_writes_rows_and_the_migrator_does_the_rest(postgres, service, logins, create_roles, migrate):
    folder, app, migrator = service("avion-auth"), logins["app"], logins["migrator"]
    create_roles(folder)
    write(folder, 2, "first")
    migrate(folder, "up")
    (folder / "migrations/backfill").mkdir()
    (folder / "migrations/backfill/words.sql").write_text(
        "-- backfill: table=first key=id\nUPDATE first SET word = 'd' WHERE id BETWEEN $1 AND $2;\n"
    )
    migrate(folder, "backfill", "words")
    with (folder / ".goose.yml").open("a") as settings:
        settings.write("lock: table\n")
    migrate(folder, "seed")
    write(folder, 3, "second")
    migrate(folder, "up")

    for table in ("first", "second"):
        assert_rows_are_the_apps(app, table)
        for statement in ("ALTER TABLE {} ADD x int", "DROP TABLE {}", "TRUNCATE {}", "CREATE INDEX ON {} (id)"):
            app.is_refused(statement.format(table))
    for statement in ("CREATE TABLE mine ()", "CREATE SCHEMA mine", "CREATE FUNCTION f() RETURNS int RETURN 1"):
        app.is_refused(statement)

    tables = {name for (name,) in app.query("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^goose_'")}
    assert tables == ENGINES_TABLES
    for table in tables:
        app.query(f"SELECT count(*) FROM {table}")
        for statement in ("INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
            app.is_refused(statement.format(table))
    app.is_refused("UPDATE goose_db_version SET is_applied = false")
    app.is_refused("UPDATE goose_db_version_environment SET environment = 'development'")

    assert migrator.query("SHOW lock_timeout") + migrator.query("SHOW statement_timeout") == [("3s",), ("5min",)]
    migrate(folder, "to", "0")
    assert migrator.value("SELECT to_regclass('first') IS NULL AND to_regclass('schema_metadata') IS NULL")
    migrate(folder, "up")
    assert_rows_are_the_apps(app, "first")


@both_ends
def test_the_script_may_run_again_and_leaves_the_dba_no_more_than_before(
    postgres, service, logins, create_roles, migrate
):
    folder, dba, app = service("avion-auth"), logins["dba"], logins["app"]
    create_roles(folder)
    write(folder, 2, "first")
    migrate(folder, "up")
    before = postgres.execute(ROLES, "avion_auth_db")
    create_roles(folder)
    assert postgres.execute(ROLES, "avion_auth_db") == before
    dba.is_refused("SELECT FROM first")
    postgres.execute("DROP OWNED BY avion_auth_app", "avion_auth_db")
    app.is_refused("SELECT FROM first")
    create_roles(folder)
    assert_rows_are_the_apps(app, "first")
    assert "PASSWORD '" not in (folder / "scripts/migration-roles.sql").read_text().upper()
