"""A backfill that is killed again and again misses no row and does none twice."""

import random
import signal
import subprocess
import time

import pytest

from dev.toolchain.command import environment
from tests.amounts import both_ends, rounds

ROWS = 200_000

# Adding, unlike setting, shows a row that was done twice.
TABLE = f"""-- +goose Up
CREATE TABLE counters (id bigint PRIMARY KEY, done bigint NOT NULL DEFAULT 0);
INSERT INTO counters SELECT n * 7, 0 FROM generate_series(1, {ROWS}) n;
-- +goose Down
DROP TABLE counters;
"""
JOB = """-- backfill: table=counters key=id batch=20ms load=100%
UPDATE counters SET done = done + 1 WHERE id BETWEEN $1 AND $2;
"""


@pytest.fixture
def counting(service, engine, database, run):
    """A service with the job `count` on a table of counters."""
    folder = service()
    (folder / "migrations/00002_counters.sql").write_text(TABLE)
    (folder / "migrations/backfill").mkdir()
    (folder / "migrations/backfill/count.sql").write_text(JOB)
    assert run(engine, "up", cwd=folder, env=database).returncode == 0
    return folder


@pytest.fixture
def start(counting, engine, database):
    """start(): the job, running."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [engine, "backfill", "count"],
            cwd=counting,
            env=environment(database),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@both_ends
@rounds(3, 100)
def test_no_row_is_missed_and_none_is_done_twice(rounds, start, database, postgres):
    for _ in range(rounds):
        runner = start()
        time.sleep(random.uniform(0.05, 0.5))
        runner.send_signal(random.choice([signal.SIGKILL, signal.SIGTERM]))
        _, said = runner.communicate(timeout=30)
        waited = "interrupted while waiting for the lock" in said and runner.returncode == 1
        unconnected = "interrupted before" in said and runner.returncode == 4
        assert runner.returncode in (-signal.SIGKILL, -signal.SIGTERM, 0, 2) or waited or unconnected, said
    last = start()
    report = last.communicate(timeout=120)[1]
    assert last.returncode == 0, report
    assert database.query("SELECT done, count(*) FROM counters GROUP BY done") == [(1, ROWS)]
    assert database.query("SELECT state, scanned, changed FROM goose_db_version_backfill") == [("done", ROWS, ROWS)]


def test_sessions_of_a_killed_backfill_end_by_themselves(start, database):
    runner = start()
    time.sleep(0.3)
    runner.kill()
    runner.communicate(timeout=30)
    patience = time.monotonic() + 10
    while database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migrate%'"):
        assert time.monotonic() < patience
        time.sleep(0.1)


def test_target_lists_the_jobs_and_runs_one(counting, run, database):
    assert run("make", "migrate-backfill", cwd=counting, env=database).stdout.startswith("not begun")
    assert run("make", "migrate-backfill", "JOB=count", cwd=counting, env=database).returncode == 0
    assert run("make", "migrate-backfill", cwd=counting, env=database).stdout.startswith("done")
    unknown = run("make", "migrate-backfill", "JOB=$(touch x); y", cwd=counting, env=database)
    assert "JOB is" in unknown.stderr
    assert not (counting / "x").exists()
