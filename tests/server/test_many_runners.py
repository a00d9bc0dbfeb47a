"""However many runners start at once, each migration is applied exactly once."""

import os
import shutil
import subprocess
import time

import psycopg
import pytest

from dev.toolchain.port import free_port
from dev.toolchain.postgres import unprivileged_account
from tests.amounts import both_ends, rounds
from tests.conftest import Database
from tests.faults import Marked

RUNNERS = 8
PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))


def race(marked: Marked) -> int:
    """All runners at once; how many of them named the one that held the lock."""
    named = 0
    marked.empty()
    runners = [marked.start() for _ in range(RUNNERS)]
    for runner in runners:
        report = runner.communicate(timeout=120)[1]
        assert runner.returncode == 0, report
        named += "held by pid " in report
    marked.assert_each_was_applied_once()
    return named


@both_ends
@rounds(2, 100)
def test_every_migration_is_applied_once(rounds, postgres, database, engine, tmp_path):
    marked = Marked(tmp_path, engine, database).write()
    named = [race(marked) for _ in range(rounds)]
    print(f"PostgreSQL {postgres.major}: {rounds} rounds, named the holder: {named}")
    assert all(named)
    marked.assert_nobody_is_left()


@pytest.fixture
def pgbouncer(request, database, tmp_path_factory):
    """The database through PgBouncer, in transaction mode unless told otherwise, as its distribution configures it."""
    port = free_port()
    folder = tmp_path_factory.mktemp("pgbouncer")
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        "[databases]\n"
        f"{database['DB_NAME']} = host={database['DB_HOST']} port={database['DB_PORT']} "
        f"user={database['DB_USER']} password={database['DB_PASSWORD']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {getattr(request, 'param', 'transaction')}\n"
    )
    account = unprivileged_account()
    options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    with configuration.open() as readable:
        pooler = subprocess.Popen(
            [PGBOUNCER, "-q", f"/dev/fd/{readable.fileno()}"],
            pass_fds=[readable.fileno()],
            stderr=subprocess.DEVNULL,
            **options,
        )
        through = Database(database.server, database["DB_NAME"], database["DB_USER"])
        through |= database
        through["DB_PORT"] = str(port)
        for _ in range(100):
            try:
                through.value("SELECT 1")
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
    yield through
    pooler.terminate()
    pooler.wait(timeout=30)


@pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")
@both_ends
@rounds(2, 100)
def test_behind_pgbouncer_too(rounds, postgres, pgbouncer, engine, tmp_path):
    marked = Marked(tmp_path, engine, pgbouncer).write("lock: table\n")
    named = [race(marked) for _ in range(rounds)]
    print(f"PgBouncer, PostgreSQL {postgres.major}: {rounds} rounds, named the holder: {named}")
    assert all(named)


@pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize("pgbouncer", ["transaction", "session"], indirect=True)
def test_a_session_lock_behind_pgbouncer_is_refused(pgbouncer, engine, tmp_path):
    marked = Marked(tmp_path, engine, pgbouncer).write()
    runner = marked.start()
    report = runner.communicate(timeout=60)[1]
    assert runner.returncode == 4
    assert "write lock: table in" in report


# What the engine asks for when a session begins, and a pooler may be told to drop.
IGNORED = (
    "custom.environment, lock_timeout, statement_timeout, idle_in_transaction_session_timeout, idle_session_timeout, "
    "client_connection_check_interval, tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count, tcp_user_timeout"
)


@pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize(
    "pgbouncer",
    [f"{mode}\nignore_startup_parameters = {IGNORED}" for mode in ("transaction", "session")],
    ids=("transaction", "session"),
    indirect=True,
)
def test_nothing_runs_behind_a_pgbouncer_that_ignores_the_limits(pgbouncer, database, engine, tmp_path):
    marked = Marked(tmp_path, engine, pgbouncer).write()
    runner = marked.start()
    report = runner.communicate(timeout=60)[1]
    assert runner.returncode == 1
    assert "a pooler stands between" in report
    assert "write lock: table in" in report
    assert database.value("SELECT to_regclass('goose_db_version') IS NULL")
