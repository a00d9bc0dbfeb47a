"""Expired sessions go, with what hangs on them; no session that is good goes, whatever happens at the same moment."""

import threading
import time

import psycopg
import pytest

from dev import recipes
from dev.toolchain.install import ROOT
from tests.amounts import both_ends
from tests.load import LONGEST_WAIT, Load

TOKENS = """
CREATE TABLE refresh_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);
INSERT INTO sessions (expires_at) SELECT now() - interval '2 days' - n * interval '1 minute' FROM generate_series(1, 20000) n;
INSERT INTO refresh_tokens (session_id) SELECT id FROM sessions;
"""


@pytest.fixture
def sessions(service, run, engine, database):
    """sessions.up(), sessions.maintain(): a service with expired sessions and the recipe's migration and job."""
    folder = service()
    (folder / "migrations/00002_sessions.sql").write_text(recipes.tables(ROOT, "session_cleanup"))

    def engine_does(*arguments: str):
        return run(engine, *arguments, cwd=folder, env=database)

    assert engine_does("up").returncode == 0
    result = run("make", "migrate-create", "RECIPE=session_cleanup", cwd=folder, env=database)
    assert result.returncode == 0, result.stderr
    return engine_does


def clean_up(sessions) -> None:
    for arguments in (["up"], ["maintain", "sessions_cleanup"]):
        result = sessions(*arguments)
        assert result.returncode == 0, result.stderr


@both_ends
def test_expired_sessions_go_while_people_come_and_stay(sessions, database, postgres):
    database.query(TOKENS)
    alive: list[object] = []

    def visit(session: psycopg.Connection, number: int) -> None:
        if number % 3 or not alive:
            # An expired session, too, may be renewed for as long as it is there.
            row = session.execute(
                "UPDATE sessions SET expires_at = now() + interval '30 minutes' WHERE id = ("
                "SELECT id FROM sessions WHERE expires_at < now() - interval '2 days' "
                "ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
                if number % 30 == 1
                else "INSERT INTO sessions (expires_at) VALUES (now() + interval '30 minutes') RETURNING id"
            ).fetchone()
            if row:
                session.execute("INSERT INTO refresh_tokens (session_id) VALUES (%s)", row)
                alive.append(row[0])
        else:
            renewed = session.execute(
                "UPDATE sessions SET expires_at = now() + interval '30 minutes' WHERE id = %s",
                [alive[number % len(alive)]],
            )
            assert renewed.rowcount == 1

    with Load(database, visit) as load:
        with load.phase("before"):
            time.sleep(1)
        with load.phase("during"):
            clean_up(sessions)
    load.report("session_cleanup")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert len(alive) > 100
    assert {key for (key,) in database.query("SELECT id FROM sessions")} == set(alive)
    assert {key for (key,) in database.query("SELECT session_id FROM refresh_tokens")} == set(alive)


@both_ends
def test_a_session_that_is_renewed_while_it_is_being_deleted_stays(sessions, database, postgres):
    database.query("INSERT INTO sessions (expires_at) SELECT now() - interval '2 days' FROM generate_series(1, 2)")
    renewed = database.value("SELECT id FROM sessions LIMIT 1")
    assert sessions("up").returncode == 0
    with database.connect() as session:
        session.execute("BEGIN")
        session.execute("UPDATE sessions SET expires_at = now() + interval '1 hour' WHERE id = %s", [renewed])
        results = []
        job = threading.Thread(target=lambda: results.append(sessions("maintain", "sessions_cleanup")))
        job.start()
        patience = time.monotonic() + 30
        while not database.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < patience
            time.sleep(0.02)
        session.execute("COMMIT")
        job.join(timeout=60)
    assert results[0].returncode == 0, results[0].stderr
    assert database.query("SELECT id FROM sessions") == [(renewed,)]


def test_a_session_stays_for_as_long_as_it_is_good_and_a_day(sessions, database):
    database.query(
        "INSERT INTO sessions (expires_at) SELECT now() - hours * interval '1 hour' FROM unnest(ARRAY[-1, 0, 23, 25]) hours"
    )
    clean_up(sessions)
    assert database.value(
        "SELECT array_agg(round(extract(epoch FROM now() - expires_at) / 3600)::int ORDER BY 1) FROM sessions"
    ) == [-1, 0, 23]


def test_a_time_without_its_zone_is_refused(sessions, database):
    database.query("ALTER TABLE sessions ALTER expires_at TYPE timestamp")
    result = sessions("up")
    assert result.returncode == 3
    assert "sessions.expires_at is no timestamptz" in result.stderr
