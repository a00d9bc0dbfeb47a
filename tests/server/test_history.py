"""An applied migration is held to what it was: the six ways to leave the history, and the ways back."""

import json
from pathlib import Path

import pytest

ENGINE = "tools/migrate/bin/migrate"
TABLE = "-- +goose Up\nCREATE TABLE {0} ();\n-- +goose Down\nDROP TABLE {0};\n"


@pytest.fixture
def folder(run, service, database):
    """A service with 00001, 00002_a and 00100_b, all of them applied."""
    folder = service("avion-auth")
    (folder / "migrations/00002_a.sql").write_text(TABLE.format("a"))
    (folder / "migrations/00100_b.sql").write_text(TABLE.format("b"))
    assert run(ENGINE, "up", cwd=folder, env=database).returncode == 0
    return folder


@pytest.fixture
def engine_says(run, folder, database):
    """engine_says(5, "up"): what the engine says when it ends with that exit code."""

    def engine_says(status: int, *arguments: str, **variables: str) -> str:
        result = run(ENGINE, *arguments, cwd=folder, env={**database, **variables})
        assert result.returncode == status, result
        return result.stderr

    return engine_says


def edited(migrations: Path) -> None:
    (migrations / "00002_a.sql").write_text(TABLE.format("a") + "-- a comment\n")


def renamed(migrations: Path) -> None:
    (migrations / "00002_a.sql").rename(migrations / "00002_z.sql")


def renumbered(migrations: Path) -> None:
    (migrations / "00002_a.sql").rename(migrations / "00101_a.sql")


def deleted(migrations: Path) -> None:
    (migrations / "00002_a.sql").unlink()


def duplicate(migrations: Path) -> None:
    (migrations / "00002_z.sql").write_text(TABLE.format("z"))


def out_of_order(migrations: Path) -> None:
    (migrations / "00050_z.sql").write_text(TABLE.format("z"))


def newer_release(migrations: Path) -> None:
    (migrations / "00100_b.sql").unlink()


WAYS = {
    edited: "edited after it was applied: 00002_a.sql",
    renamed: "renamed after it was applied: 00002_z.sql (applied as 00002_a.sql)",
    renumbered: "applied as 00002_a.sql now stands in 00101_a.sql",
    deleted: "without a file in ./migrations: version 00002 (applied as 00002_a.sql)",
    duplicate: "00002_a.sql and 00002_z.sql in ./migrations have the same version",
    out_of_order: "not applied, although a higher version is: 00050_z.sql",
    newer_release: "the database is newer than this release",
}


@pytest.mark.parametrize("command", ["up", "down", "status", "plan", "validate --database"])
@pytest.mark.parametrize("leave", WAYS, ids=lambda leave: leave.__name__)
def test_each_way_to_leave_the_history_is_found(folder, engine_says, database, leave, command):
    leave(folder / "migrations")
    assert WAYS[leave] in engine_says(5, *command.split())
    assert database.value("SELECT string_agg(version_id::text, ' ' ORDER BY id) FROM goose_db_version") == "0 1 2 100"


def test_line_endings_of_git_are_no_edit(folder, engine_says):
    for path in folder.glob("migrations/*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    engine_says(0, "up")
    engine_says(0, "status")
    engine_says(0, "validate", "--database")


def test_repair_accepts_a_change_on_purpose(folder, engine_says, database):
    before = database.query("SELECT * FROM goose_db_version")
    edited(folder / "migrations")
    repaired = engine_says(0, "repair")
    assert "repaired version 00002: 00002_a.sql" in repaired
    assert "00100" not in repaired
    assert database.query("SELECT * FROM goose_db_version") == before
    engine_says(0, "up")


def test_late_file_is_applied_where_the_service_allows_it(folder, run, engine_says, database):
    out_of_order(folder / "migrations")
    settings = folder / ".goose.yml"
    settings.write_text(settings.read_text().replace("out_of_order: refuse", "out_of_order: allow"))
    engine_says(0, "up")
    document = json.loads(run(ENGINE, "status", "--json", cwd=folder, env=database).stdout)
    assert {each["version"]: each["order"] for each in document["migrations"]} == {1: 1, 2: 2, 50: 4, 100: 3}
    assert "rolled back 00050_z.sql" in engine_says(0, "down")
