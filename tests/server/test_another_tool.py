"""A database that another tool has migrated is taken over: with the tool itself, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.toolchain.install import dbmate, golang_migrate

pytestmark = pytest.mark.slow

MIGRATE, MIGRATE_DEV = "tools/migrate/bin/migrate", "tools/migrate/bin/migrate-dev"

FUNCTION = """CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  NEW.created_at := now();
  RETURN NEW;
END;
$body$;
"""
UP = [
    "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE, created_at timestamptz DEFAULT now()); -- all\n"
    "/* of\n them; */ CREATE TYPE mood AS ENUM ('sad', 'ok; fine');\n"
    f"{FUNCTION}CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();\n",
    "CREATE INDEX CONCURRENTLY users_created ON users (created_at);\n",
    "ALTER TABLE users ADD COLUMN m mood DEFAULT 'ok; fine', ADD COLUMN note text DEFAULT 'a;\nb'",
]
DOWN = [
    "DROP TABLE users; DROP FUNCTION touch; DROP TYPE mood;\n",
    "DROP INDEX CONCURRENTLY users_created;\n",
    "ALTER TABLE users DROP COLUMN m, DROP COLUMN note;\n",
]
NAMES = ["create_users", "index", "mood"]
SCHEMA = ("--no-owner", "--no-acl", "--exclude-table=goose_*", "--exclude-table=schema_migrations")


def pairs(folder: Path) -> None:
    for number, (name, up, down) in enumerate(zip(NAMES, UP, DOWN, strict=True), 1):
        begin, end = ("BEGIN;\n", "COMMIT;\n") if number == 1 else ("", "")
        (folder / f"{number:06}_{name}.up.sql").write_text(begin + up + end)
        (folder / f"{number:06}_{name}.down.sql").write_text(down)


def files_of_dbmate(folder: Path) -> None:
    for number, (name, up, down) in enumerate(zip(NAMES, UP, DOWN, strict=True), 1):
        alone = " transaction:false" if "CONCURRENTLY" in up else ""
        text = f"-- migrate:up{alone}\n{up}\n\n-- migrate:down{alone}\n{down}"
        (folder / f"2024010{number}000000_{name}.sql").write_text(text)


@pytest.fixture
def folder(service) -> Path:
    """A service without migrations of its own."""
    folder = service()
    (folder / "migrations/00001_init_schema.sql").unlink()
    (folder / "migrations-seed/00001_test_data.sql").unlink()
    (folder / "db").mkdir()
    return folder


@pytest.fixture
def act(folder, run, database):
    def act(*command: str | Path, status: int = 0, on=database, **variables: str) -> str:
        result = run(*command, cwd=folder, env={**on, **variables})
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr

    return act


def address(database, scheme: str) -> str:
    return f"{scheme}://{{DB_USER}}:{{DB_PASSWORD}}@{{DB_HOST}}:{{DB_PORT}}/{{DB_NAME}}?sslmode=disable".format_map(
        database
    )


@pytest.mark.parametrize("tool", ["golang-migrate", "dbmate"])
def test_files_and_history_of_the_real_tool_are_taken_over(folder, act, database, create_database, tool):
    if tool == "dbmate":
        files_of_dbmate(folder / "db")
        url = address(database, "postgres")
        act(dbmate(), "--migrations-dir=db", "--no-dump-schema", "up", DATABASE_URL=url)
    else:
        pairs(folder / "db")
        act(golang_migrate(), "db", address(database, "pgx5"))
    before, theirs = sorted((folder / "db").iterdir()), database.schema(*SCHEMA)

    refused = act(MIGRATE, "up", status=5)
    assert tool in refused
    assert "make migrate-baseline VERSION=" in refused
    assert "make migrate-baseline VERSION=00003" in act(MIGRATE_DEV, "import", CONFIRM="yes")
    assert sorted((folder / "db").iterdir()) == before
    act(MIGRATE, "baseline", "3", CONFIRM=database["DB_NAME"])
    assert "nothing to apply" in act(MIGRATE, "up")
    act(MIGRATE_DEV, "validate", "--database")

    empty = create_database("empty")
    act(MIGRATE, "up", on=empty)
    assert empty.schema(*SCHEMA) == theirs
    act(MIGRATE, "to", "0")
    assert "users" not in database.schema(*SCHEMA)


def test_migration_that_the_real_tool_left_half_done_stops_everything(folder, act, database):
    pairs(folder / "db")
    (folder / "db/000003_mood.up.sql").write_text("SELECT 1/0;")
    act(golang_migrate(), "db", address(database, "pgx5"), status=1)
    (folder / "migrations/00009_later.sql").write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    for command in (MIGRATE, "up"), (MIGRATE_DEV, "import"), (MIGRATE, "baseline", "9"):
        assert "golang-migrate, which left a migration half done" in act(*command, status=5)
