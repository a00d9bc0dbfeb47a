"""Exit codes are API: which command ends with which one, for every cause, on a real server."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.toolchain.command import environment
from dev.toolchain.postgres import Server
from tests.conftest import ENGINE, Database

TABLE = "-- +goose Up\nCREATE TABLE {0} ();\n-- +goose Down\nDROP TABLE {0};\n"
APPLIED, PENDING = "00002_a.sql", "00003_b.sql"
# Longer than the commands of a row take together.
HELD = "-- +goose Up\nSELECT pg_sleep(600);\n"

# A row for each cause, in the order in which the commands run; the causes are the functions below. What other exit codes there
# are, each says itself: `check` and `validate` need no server, a job of `backfill` may leave something to do.
CODES = """
                       ping version status --exit-code plan up to-2 down redo seed repair indexes
nothing_wrong          0    0       0      2           0    0  0    0    0    0    0      0
nothing_left           0    0       0      0           0    0  0    0    0    0    0      0
broken_sql             0    0       0      2           0    3  0    0    0    0    0      0
edited_file            0    0       5      5           5    5  5    5    3    0    0      0
another_tools_history  0    0       5      5           5    5  5    5    5    0    0      0
another_runner         0    0       0      2           0    75 0    75   75   75   75     0
bad_setting            1    1       1      1           1    1  1    1    1    1    1      1
unknown_environment    1    1       1      1           1    1  1    1    1    1    1      1
staging                0    0       0      2           0    0  0    0    0    1    0      0
unconfirmed            0    0       0      2           0    0  1    1    1    1    0      0
production_in_clear    1    1       1      1           1    1  1    1    1    1    1      1
no_server              4    4       4      4           4    4  4    4    4    4    4      4
wrong_password         4    4       4      4           4    4  4    4    4    4    4      4
untrusted              4    4       4      4           4    4  4    4    4    4    4      4
read_only              4    4       4      4           4    4  4    4    4    4    4      4
"""
COMMANDS, *ROWS = (line.split() for line in CODES.strip().splitlines())
TYPED = {"--exit-code": ["status", "--exit-code"], "to-2": ["to", "2"]}


def nothing_wrong(folder: Path, database: Database) -> dict[str, str]:
    return {}


def nothing_left(folder: Path, database: Database) -> dict[str, str]:
    (folder / "migrations" / PENDING).unlink()
    return {}


def broken_sql(folder: Path, database: Database) -> dict[str, str]:
    (folder / "migrations" / PENDING).write_text("-- +goose Up\nSELECT 1 / 0;\n")
    return {}


def edited_file(folder: Path, database: Database) -> dict[str, str]:
    (folder / "migrations" / APPLIED).write_text(TABLE.format("other"))
    return {}


def bad_setting(folder: Path, database: Database) -> dict[str, str]:
    return {"DB_PORT": "many"}


def unknown_environment(folder: Path, database: Database) -> dict[str, str]:
    return {"ENVIRONMENT": "qa"}


def staging(folder: Path, database: Database) -> dict[str, str]:
    return {"ENVIRONMENT": "staging"}


def unconfirmed(folder: Path, database: Database) -> dict[str, str]:
    return {"ENVIRONMENT": "production"}


def production_in_clear(folder: Path, database: Database) -> dict[str, str]:
    return {"ENVIRONMENT": "production", "DB_SSL_MODE": "disable"}


def no_server(folder: Path, database: Database) -> dict[str, str]:
    return {"DB_PORT": "1"}


def wrong_password(folder: Path, database: Database) -> dict[str, str]:
    return {"DB_PASSWORD": "wrong"}


def untrusted(folder: Path, database: Database) -> dict[str, str]:
    return {"DB_SSL_MODE": "verify-full", "DB_SSL_ROOT_CERT": "system"}


def read_only(folder: Path, database: Database) -> dict[str, str]:
    database.server.execute(f"ALTER DATABASE {database['DB_NAME']} SET default_transaction_read_only = on")
    return {}


def another_tools_history(folder: Path, database: Database) -> dict[str, str]:
    database.query("DROP TABLE goose_db_version, goose_db_version_checksum")
    database.query("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)")
    database.query("INSERT INTO schema_migrations VALUES (2, false)")
    return {}


@pytest.fixture
def postgres(servers) -> Server:
    """One with TLS, without which nothing is done in production."""
    return servers["right"]


@pytest.fixture
def folder(run, service, database) -> Path:
    """A service with one file applied and one pending."""
    folder = service("avion-auth")
    (folder / "migrations" / APPLIED).write_text(TABLE.format("a"))
    assert run(ENGINE, "up", cwd=folder, env=database).returncode == 0
    (folder / "migrations" / PENDING).write_text(TABLE.format("b"))
    return folder


@pytest.fixture(name="another_runner")
def hold(folder, engine, database) -> Iterator[Callable[..., dict[str, str]]]:
    """As a cause: somebody applies the pending migration, and is not done."""
    with contextlib.ExitStack() as stack:

        def hold(folder: Path, database: Database) -> dict[str, str]:
            pending = folder / "migrations" / PENDING
            pending.write_text(HELD)
            runner = stack.enter_context(subprocess.Popen([engine, "up"], cwd=folder, env=environment(database)))
            stack.callback(runner.kill)
            while not database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                assert runner.poll() is None
                time.sleep(0.05)
            return {"MIGRATION_LOCK_TIMEOUT": "0"}

        yield hold


@pytest.mark.parametrize(("cause", "codes"), [(cause, codes) for cause, *codes in ROWS], ids=[row[0] for row in ROWS])
def test_each_command_ends_as_its_cause_says(request, run, folder, database, cause, codes):
    make = globals().get(cause) or request.getfixturevalue(cause)
    variables = {**database, "MIGRATION_CONNECT_TIMEOUT": "0", **make(folder, database)}
    ended = {command: run(ENGINE, *TYPED.get(command, [command]), cwd=folder, env=variables) for command in COMMANDS}
    assert {command: str(result.returncode) for command, result in ended.items()} == dict(
        zip(COMMANDS, codes, strict=True)
    ), [result.stderr for result in ended.values()]
