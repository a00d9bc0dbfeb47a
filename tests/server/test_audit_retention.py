"""An audit log to which the application may only add, whose months come and go by themselves, unless they are on hold."""

import time

import psycopg
import pytest

from tests.amounts import both_ends
from tests.load import LONGEST_WAIT, Load
from tests.server.test_roles import create_roles, logins, migrate  # noqa: F401, fixtures

WRITE = "INSERT INTO audit_log (actor, action) VALUES ('a', 'b')"
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass ORDER BY 1"
OLD = """
CREATE TABLE audit_log_2020_{0} (LIKE audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE audit_log ATTACH PARTITION audit_log_2020_{0} FOR VALUES FROM ('2020-{0}-01Z') TO ('2020-{1}-01Z');
"""


@pytest.fixture
def audit(service, create_roles, migrate, run):  # noqa: F811
    """audit("up"): what the engine does with a service that has the recipe's migration and job."""
    folder = service()
    create_roles(folder)
    result = run("make", "migrate-create", "RECIPE=audit_retention", cwd=folder)
    assert result.returncode == 0, result.stderr

    def audit(*arguments: str) -> None:
        migrate(folder, *arguments)

    audit.folder = folder
    audit("up")
    return audit


@both_ends
def test_the_application_may_add_and_read_and_nothing_else(audit, logins, create_roles, postgres):  # noqa: F811
    app, migrator = logins["app"], logins["migrator"]
    app.query(WRITE)
    migrator.query("INSERT INTO audit_log_holds (held, reason) VALUES ('[2020-01-01,2020-02-01)', 'case 1')")
    newest = migrator.query(PARTITIONS)[-1][0]
    migrator.query(f"ALTER TABLE audit_log DETACH PARTITION {newest}")
    migrator.query(f"DROP TABLE {newest}")
    audit("maintain", "audit_log_partitions")
    assert migrator.query(PARTITIONS)[-1][0] == newest, "created by the job instead of the migration"

    def look() -> None:
        app.query(WRITE)
        assert app.value("SELECT reason FROM audit_log_holds") == "case 1"
        partitions = [name for (name,) in migrator.query(PARTITIONS)]
        assert len(partitions) == 4
        for table in ("audit_log", "audit_log_holds", *partitions):
            for statement in ("UPDATE {} SET id = DEFAULT", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
                app.is_refused(statement.format(table))
        for table in ("audit_log_holds", *partitions):
            app.is_refused(f"INSERT INTO {table} DEFAULT VALUES")
        app.is_refused(f"ALTER TABLE audit_log DETACH PARTITION {newest}")

    look()
    # As the job leaves a month that it has detached when a hold comes.
    migrator.query("CREATE TABLE audit_log_2019_12 (LIKE audit_log)")
    migrator.query("REVOKE ALL ON audit_log_2019_12 FROM avion_auth_app")
    create_roles(audit.folder)
    look()
    app.is_refused("SELECT FROM audit_log_2019_12")
    postgres.execute("DROP OWNED BY avion_auth_app", "avion_auth_db")
    app.is_refused(WRITE)
    create_roles(audit.folder)
    look()


@both_ends
def test_months_come_and_go_while_the_application_writes(audit, logins, postgres):  # noqa: F811
    app, migrator = logins["app"], logins["migrator"]
    for month in ("01", "02", "03"):
        migrator.query(OLD.format(month, f"{int(month) + 1:02}"))
        migrator.query(f"INSERT INTO audit_log (occurred_at, action) VALUES ('2020-{month}-15', 'old')")
    migrator.query("INSERT INTO audit_log_holds (held, reason) VALUES ('[2020-02-10,2020-02-11)', 'case 1')")

    def write(session: psycopg.Connection, number: int) -> None:
        session.execute("INSERT INTO audit_log (actor, action) VALUES ('a', %s)", [str(number)])
        session.execute("SELECT count(*) FROM audit_log WHERE occurred_at > now() - interval '1 second'")

    with Load(app, write) as load:
        with load.phase("before"):
            time.sleep(1)
        with load.phase("during"):
            audit("maintain", "audit_log_partitions")
    load.report("audit_retention")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert app.value("SELECT count(*) FROM audit_log WHERE actor = 'a'") == load.done
    assert app.query("SELECT occurred_at::date::text FROM audit_log WHERE action = 'old'") == [("2020-02-15",)]
    assert migrator.value(
        "SELECT to_regclass('audit_log_2020_01') IS NULL AND to_regclass('audit_log_2020_03') IS NULL"
    )

    migrator.query("DELETE FROM audit_log_holds")
    audit("maintain", "audit_log_partitions")
    assert len(migrator.query(PARTITIONS)) == 4


def test_a_log_on_hold_is_not_rolled_back(audit, logins, run):  # noqa: F811
    logins["migrator"].query("INSERT INTO audit_log_holds (held, reason) VALUES ('(,)', 'case 1')")
    down = run("make", "migrate-down", cwd=audit.folder, env={"ENVIRONMENT": "test", **logins["migrator"]})
    assert "audit_log is on hold" in down.stderr
    assert logins["app"].value("SELECT count(*) FROM audit_log") == 0
