"""The database knows which environment it belongs to, also after a dump and a restore."""

import pytest

from dev.toolchain import command

ENGINE = "tools/migrate/bin/migrate"
MARK = "SELECT environment FROM goose_db_version_environment"


@pytest.fixture
def engine(run, service, database):
    folder = service("avion-auth")

    def engine(status: int, *arguments: str, into=database, **variables: str) -> str:
        result = run(ENGINE, *arguments, cwd=folder, env={**into, **variables})
        assert result.returncode == status, result
        return result.stderr

    return engine


@pytest.fixture
def production(engine, database):
    """A database that was first migrated as production."""
    engine(0, "up", ENVIRONMENT="test")
    database.query("UPDATE goose_db_version_environment SET environment = 'production'")
    return database


@pytest.mark.parametrize("environment", ["development", "test"])
@pytest.mark.parametrize("arguments", [("seed",), ("reset",), ("down",), ("redo",), ("to", "0")])
def test_production_is_protected_whatever_environment_says(engine, production, arguments, environment):
    # The name of the database would let a reset through in development, and a rollback through in production.
    confirm = {"CONFIRM": production["DB_NAME"]} if arguments == ("reset",) else {}
    refused = engine(1, *arguments, ENVIRONMENT=environment, **confirm)
    assert f"is marked as production, although ENVIRONMENT is {environment}" in refused
    assert production.value("SELECT max(version_id) FROM goose_db_version") == 1
    assert production.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 0


def test_first_up_marks_the_database_once(engine, database):
    engine(0, "up", ENVIRONMENT="test")
    engine(0, "up", ENVIRONMENT="development")
    assert database.value(MARK) == "test"


def test_an_environment_that_nobody_said_marks_nothing(engine, database):
    engine(0, "up")
    assert database.query(MARK) == []
    assert "set ENVIRONMENT" in engine(1, "mark", CONFIRM=database["DB_NAME"])
    engine(0, "up", ENVIRONMENT="test")
    assert database.value(MARK) == "test"


def test_restored_dump_stays_production_until_it_is_marked(engine, production, create_database):
    dump = command.run("pg_dump", "--no-owner", cwd="/", env=production.libpq)
    restored = create_database("avion_restored")
    command.run("psql", "--quiet", cwd="/", env=restored.libpq, feed=dump.stdout)
    assert restored.value(MARK) == "production"
    assert "seed is not allowed in production" in engine(1, "seed", into=restored)
    assert f"CONFIRM={restored['DB_NAME']}" in engine(1, "mark", into=restored, ENVIRONMENT="development")
    marked = engine(0, "mark", into=restored, ENVIRONMENT="development", CONFIRM=restored["DB_NAME"])
    assert "is marked as development now; it was marked as production" in marked
    engine(0, "up", into=restored)
    engine(0, "seed", into=restored)
    assert production.value(MARK) == "production"
