"""Whatever happens to writers, workers and Redis, the sorted sets end up as the rows say."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trustme

from dev.toolchain import command
from dev.toolchain.command import environment
from dev.toolchain.port import free_port
from dev.toolchain.redis import Redis
from tests.amounts import both_ends, rounds
from tests.conftest import Database, once, put_engine
from tests.load import Load

ROUND = 1.5  # seconds
WORKER = Path("tools/migrate/bin/redis-sync")
OUTBOX = "timeline_entries_redis_outbox"
PREFIX = "timeline:"
TABLE = """-- +goose Up
CREATE TABLE timeline_entries (
    timeline_id bigint NOT NULL,
    drop_id bigint NOT NULL,
    created_at timestamptz,
    seen boolean NOT NULL DEFAULT false,
    PRIMARY KEY (timeline_id, drop_id)
);
-- +goose Down
DROP TABLE timeline_entries;
"""
RECIPE = ("RECIPE=redis_sync", "TABLE=timeline_entries", "KEY=timeline_id", "MEMBER=drop_id", "SCORE=created_at")
WANTED = """
SELECT timeline_id::text, json_object_agg(drop_id, (extract(epoch FROM created_at) * 1000000)::bigint)
FROM timeline_entries WHERE created_at IS NOT NULL GROUP BY 1
"""


@pytest.fixture(scope="session")
def built(rendered, engine, shared) -> Path:
    """A service that has chosen redis_sync, its worker built by make, the recipe stamped as the documents say, once a session."""

    def build(parent: Path) -> None:
        folder = shutil.copytree(rendered("avion-timeline"), parent / "avion-timeline")
        put_engine(engine, folder)
        (folder / "migrations/00002_timeline_entries.sql").write_text(TABLE)
        for goals in ((str(WORKER),), ("migrate-create", *RECIPE, f"PREFIX={PREFIX}")):
            made = command.run("make", *goals, cwd=folder, timeout=600)
            assert made.returncode == 0, made.stderr

    return once(shared, ["redis-sync"], build) / "avion-timeline"


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


class Timeline:
    """The service, its database, and the Redis that has to agree with it."""

    def __init__(self, folder: Path, database: Database, redis: Redis) -> None:
        self.folder, self.database, self.redis = folder, database, redis
        self.variables = {"ENVIRONMENT": "test", "REDIS_URL": redis.url, **database}
        self.workers: list[subprocess.Popen] = []

    def run(self, *words: str, **variables: str):
        return command.run(self.folder / WORKER, *words, cwd=self.folder, env=self.variables | variables)

    def make(self, *words: str):
        made = command.run("make", *words, cwd=self.folder, env=self.variables)
        assert made.returncode == 0, made.stdout + made.stderr
        return made

    def start(self, *words: str, **variables: str) -> subprocess.Popen:
        worker = subprocess.Popen(
            [self.folder / WORKER, *words],
            cwd=self.folder,
            env=environment(self.variables | variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen) -> str:
        """Ends a worker at once, and returns what it said."""
        assert worker.poll() is None, worker.communicate()[1]
        worker.kill()
        self.workers.remove(worker)
        return worker.communicate(timeout=30)[1]

    def finish(self, worker: subprocess.Popen) -> str:
        """Waits for a command that ends by itself, and returns what it said."""
        self.workers.remove(worker)
        return worker.communicate(timeout=60)[1]

    def stop(self) -> list[str]:
        """Ends the workers as Kubernetes does, and returns what they said."""
        for worker in self.workers:
            worker.terminate()
        said = [worker.communicate(timeout=60)[1] for worker in self.workers]
        for worker, words in zip(self.workers, said, strict=True):
            # Who was started a moment ago may not have come as far as to take signals.
            assert worker.returncode == 0 or (worker.returncode == -signal.SIGTERM and not words), words
        self.workers.clear()
        return said

    def waiting(self) -> int:
        return self.database.value(f"SELECT count(*) FROM {OUTBOX}")

    def catch_up(self) -> None:
        patience = time.monotonic() + 60
        while self.waiting():
            assert time.monotonic() < patience, f"{self.waiting()} events are left"
            time.sleep(0.02)

    def wanted(self) -> dict[str, dict[str, float]]:
        return {PREFIX + key: members for key, members in self.database.query(WANTED)}

    def assert_agreement(self) -> None:
        assert self.redis.sets(PREFIX) == self.wanted()
        compared = self.run("compare", "--json")
        assert compared.returncode == 0, compared.stderr
        found = json.loads(compared.stdout)
        assert (found["different"], found["pending"]) == (0, 0)
        assert (found["sets"], found["members"]) == (
            len(self.wanted()),
            sum(map(len, self.wanted().values())),
        )


@pytest.fixture
def timeline(built, engine, create_database, redis, tmp_path) -> Iterator[Timeline]:
    """The recipe, applied as the documents say."""
    folder = shutil.copytree(built, tmp_path / "avion-timeline", ignore=shutil.ignore_patterns("bin"))
    put_engine(engine, folder)
    os.link(built / WORKER, folder / WORKER)
    timeline = Timeline(folder, create_database("avion_timeline"), redis)
    timeline.make("migrate-up")
    yield timeline
    for worker in timeline.workers:
        worker.kill()
        worker.communicate(timeout=30)


def write(connection: psycopg.Connection, number: int) -> None:
    """One transaction of an application that has few rows and treats them badly."""

    def key() -> int:
        return random.randrange(8)

    def drop() -> int:
        return random.randrange(60)

    insert = (
        "INSERT INTO timeline_entries SELECT %s, %s + n, now() FROM generate_series(1, %s) n ON CONFLICT DO NOTHING"
    )
    other_member = "UPDATE timeline_entries SET drop_id = drop_id + 100 WHERE timeline_id = %s AND drop_id = %s"
    acts = [
        (insert, lambda: (key(), drop(), random.randrange(1, 20))),
        ("DELETE FROM timeline_entries WHERE timeline_id = %s AND drop_id = %s", lambda: (key(), drop())),
        ("DELETE FROM timeline_entries WHERE timeline_id = %s AND drop_id > %s", lambda: (key(), drop())),
        ("UPDATE timeline_entries SET created_at = clock_timestamp() WHERE drop_id = %s", lambda: (drop(),)),
        ("UPDATE timeline_entries SET created_at = NULL WHERE drop_id = %s", lambda: (drop(),)),
        ("UPDATE timeline_entries SET timeline_id = %s WHERE timeline_id = %s", lambda: (key(), key())),
        (other_member, lambda: (key(), drop())),
        ("UPDATE timeline_entries SET seen = true WHERE timeline_id = %s", lambda: (key(),)),
    ]
    # Unique violations, deadlocks and undone transactions are part of life.
    with contextlib.suppress(psycopg.errors.IntegrityError, psycopg.errors.OperationalError), connection.transaction():
        for _ in range(random.randrange(1, 4)):
            sql, parameters = random.choice(acts)
            connection.execute(sql, parameters())
            # Transactions end in another order than they have drawn the ids of their events in.
            time.sleep(random.choice((0, 0, 0.005, 0.02)))
        if not number % 200:
            connection.execute("TRUNCATE timeline_entries")
        if random.random() < 0.1:
            raise psycopg.Rollback


@rounds(2, 100)
@both_ends
def test_sets_agree_after_every_round_of_writes_kills_and_a_flush(rounds, timeline, postgres):
    assert timeline.run("rebuild").returncode == 0
    killed = flushed = 0
    said = []
    for _ in range(rounds):
        workers = [timeline.start(), timeline.start()]
        with Load(timeline.database, write, sessions=4, rest=0.001) as load:
            over = time.monotonic() + ROUND
            flush = random.uniform(0, ROUND) + time.monotonic()
            while time.monotonic() < over:
                time.sleep(random.uniform(0, 0.3))
                place = random.randrange(len(workers))
                said.append(timeline.kill(workers[place]))
                workers[place] = timeline.start()
                killed += 1
                if flush and time.monotonic() > flush:
                    timeline.redis("FLUSHALL")
                    rebuilt = timeline.run("rebuild", "--all")
                    assert rebuilt.returncode == 0, rebuilt.stderr
                    flush, flushed = 0, flushed + 1
        assert load.errors == []
        timeline.catch_up()
        said += timeline.stop()
        timeline.assert_agreement()
    # Redis refuses what was overtaken, but nobody who holds the lock of a set is.
    assert [words for words in said if "has seen a later write" in words] == []
    print(f"PostgreSQL {postgres.major}: {rounds} of {rounds} rounds agree; {killed} kills, {flushed} flushes")


class Gate:
    """The way to Redis, on which what a client sends can be held back until later."""

    def __init__(self, redis: Redis) -> None:
        self._target = (redis.host, redis.port)
        self._listener = socket.create_server((redis.host, 0))
        self.url = redis.url.replace(f":{redis.port}/", f":{self._listener.getsockname()[1]}/")
        self.open = threading.Event()
        self.open.set()
        # What is held back, if not everything.
        self.only = b""
        self.held = threading.Event()
        self.delivered = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._target)
                threading.Thread(target=self._carry, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, gated: bool) -> None:
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                late = gated and self.only in data and not self.open.is_set()
                if late:
                    self.held.set()
                    self.open.wait()
                with contextlib.suppress(OSError):  # the client is gone; what it sent is not
                    sink.sendall(data)
                if not gated and self.held.is_set():
                    self.delivered.set()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.open.set()
        self._listener.close()


@pytest.fixture
def gate(redis) -> Iterator[Gate]:
    gate = Gate(redis)
    yield gate
    gate.close()


def test_write_of_a_killed_worker_that_arrives_late_changes_nothing(timeline, gate):
    database = timeline.database
    database.query("INSERT INTO timeline_entries VALUES (1, 1, '2026-01-01')")
    slow = timeline.start(REDIS_URL=gate.url)
    timeline.catch_up()
    gate.open.clear()
    database.query("UPDATE timeline_entries SET created_at = '2026-02-02'")
    assert gate.held.wait(30)
    # Redis has not confirmed, so the event is there and the set is locked: another worker cannot overtake, with no event.
    database.query("INSERT INTO timeline_entries VALUES (1, 2, '2026-02-02'), (2, 1, '2026-02-02')")
    timeline.start()
    time.sleep(0.5)
    assert database.query(f"SELECT key, member FROM {OUTBOX} ORDER BY member") == [(1, 1), (1, 2)]
    timeline.kill(slow)
    database.query("UPDATE timeline_entries SET created_at = '2026-03-03'")
    timeline.catch_up()
    timeline.assert_agreement()
    gate.open.set()
    assert gate.delivered.wait(30)
    timeline.assert_agreement()
    timeline.stop()


EXCHANGE = b"evalsha"


def rebuild_as_far_as(words: bytes, gate: Gate, timeline: Timeline) -> subprocess.Popen:
    """A rebuild whose message with these words is on the way to Redis, and does not arrive."""
    assert timeline.run("rebuild").returncode == 0  # now Redis knows the scripts
    timeline.redis("FLUSHALL")
    gate.only = words
    gate.open.clear()
    slow = timeline.start("rebuild", REDIS_URL=gate.url)
    assert gate.held.wait(30)
    return slow


def test_event_of_a_set_that_is_being_rebuilt_waits(timeline, gate):
    fill(timeline, keys=1)
    timeline.database.query(f"TRUNCATE {OUTBOX}")
    slow = rebuild_as_far_as(EXCHANGE, gate, timeline)
    timeline.database.query("INSERT INTO timeline_entries VALUES (1, 100, now()), (2, 100, now())")
    timeline.start()
    time.sleep(0.5)
    assert timeline.database.query(f"SELECT key FROM {OUTBOX}") == [(1,)]
    gate.open.set()
    timeline.finish(slow)
    assert slow.returncode == 0
    timeline.catch_up()
    timeline.stop()
    timeline.assert_agreement()


@pytest.mark.parametrize("changes", ["DELETE FROM timeline_entries", "TRUNCATE timeline_entries"])
def test_set_of_a_killed_rebuild_that_arrives_late_stays_away(timeline, gate, redis, changes):
    fill(timeline, keys=1)
    timeline.database.query(f"TRUNCATE {OUTBOX}")
    timeline.kill(rebuild_as_far_as(EXCHANGE, gate, timeline))
    timeline.database.query(changes)
    timeline.start()
    timeline.catch_up()
    timeline.stop()
    gate.open.set()
    assert gate.delivered.wait(30)
    assert redis.sets(PREFIX) == {}
    timeline.assert_agreement()


def test_rebuild_that_redis_forgot_leaves_the_mark_of_a_later_one(timeline, gate, redis):
    fill(timeline)
    slow = rebuild_as_far_as(b"redis-sync:mark:", gate, timeline)
    redis("FLUSHALL")
    assert timeline.run("rebuild").returncode == 0
    gate.open.set()
    assert "lost its data during the rebuild" in timeline.finish(slow)
    assert slow.returncode == 1
    life, mark = redis("MGET", "redis-sync:life", f"redis-sync:mark:{PREFIX}")
    assert life == mark


def test_table_that_is_locked_for_longer_than_a_statement_waits_is_waited_for(timeline):
    fill(timeline)
    with timeline.database.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE timeline_entries")
        commands = [timeline.start("rebuild"), timeline.start("compare")]
        time.sleep(4)
        assert [each.poll() for each in commands] == [None, None]
    for each in commands:
        assert "3 sorted sets" in timeline.finish(each)


def test_sequence_that_went_back_is_told_and_got_over(timeline):
    timeline.start()
    fill(timeline, keys=1)
    timeline.catch_up()
    timeline.database.query(f"SELECT setval('{OUTBOX}_id_seq', 1)")
    timeline.database.query("UPDATE timeline_entries SET created_at = '2026-02-02' WHERE drop_id = 1")
    timeline.catch_up()
    timeline.assert_agreement()
    (said,) = timeline.stop()
    assert "the sorted set timeline:1 has seen a later write than this database can have made" in said


def fill(timeline: Timeline, keys: int = 3, members: int = 10) -> None:
    timeline.database.query(
        "INSERT INTO timeline_entries SELECT k, m, now() - m * interval '1 s' "
        "FROM generate_series(1, %s) k, generate_series(1, %s) m",
        keys,
        members,
    )


def test_comparison_names_what_differs_and_a_rebuild_mends_it(timeline, redis):
    fill(timeline, keys=250)
    assert timeline.run("rebuild").returncode == 0
    timeline.database.query(f"TRUNCATE {OUTBOX}")
    timeline.assert_agreement()

    redis("ZADD", "timeline:1", "12.5", "1")
    redis("ZREM", "timeline:2", "2")
    redis("ZADD", "timeline:3", "7", "stranger")
    redis("ZADD", "timeline:999", "1", "1")
    redis("ZADD", "timeline:no-number", "1", "1")
    redis("DEL", "timeline:4")
    redis("SET", "timeline:4", "no set")
    compared = timeline.run("compare", "--json")
    assert compared.returncode == 1
    assert "redis-sync: 15 members differ" in compared.stderr
    found = json.loads(compared.stdout)
    differences = {(each["set"], each["member"]): (each["table"], each["redis"]) for each in found["differences"]}
    assert differences["timeline:1", "1"][1] == 12.5
    assert differences["timeline:2", "2"][1] is None
    assert differences["timeline:3", "stranger"] == (None, 7)
    assert differences["timeline:999", "1"] == differences["timeline:no-number", "1"] == (None, 1)
    assert len(differences) == 15
    assert timeline.run("compare", "--key=5").returncode == 0
    assert timeline.run("compare", "--key=3").returncode == 1

    assert timeline.run("rebuild", "--key=3").returncode == 0
    assert timeline.run("compare", "--key=3").returncode == 0
    timeline.make("migrate-redis-rebuild")
    timeline.assert_agreement()
    assert redis("KEYS", "redis-sync:unfinished:*") == []

    redis("FLUSHALL")
    many = json.loads(timeline.run("compare", "--json").stdout)
    assert (many["different"], len(many["differences"])) == (2500, 20)
    refused = timeline.run("rebuild", "--key=007")
    assert refused.returncode == 1
    assert '"007" is no key of timeline_entries' in refused.stderr


def test_changes_that_still_wait_are_no_differences(timeline):
    fill(timeline)
    found = json.loads(timeline.run("compare", "--json").stdout)
    assert (found["different"], found["pending"]) == (0, 30)
    timeline.database.query("TRUNCATE timeline_entries")
    found = json.loads(timeline.run("compare", "--json").stdout)
    assert (found["different"], found["pending"]) == (0, 0)


def test_key_that_holds_something_else_becomes_a_set_again(timeline, redis):
    redis("SET", "timeline:1", "no set")
    timeline.start()
    fill(timeline)
    timeline.catch_up()
    timeline.stop()
    timeline.assert_agreement()


def test_truncated_table_empties_its_sets(timeline, redis):
    timeline.start()
    fill(timeline)
    timeline.catch_up()
    assert len(redis.sets(PREFIX)) == 3
    timeline.database.query("TRUNCATE timeline_entries")
    timeline.catch_up()
    timeline.stop()
    assert redis.sets(PREFIX) == {}


def test_columns_that_sets_do_not_hold_make_no_events(timeline):
    fill(timeline)
    timeline.database.query(f"TRUNCATE {OUTBOX}")
    timeline.database.query("UPDATE timeline_entries SET seen = true")
    assert timeline.waiting() == 0
    timeline.database.query("UPDATE timeline_entries SET timeline_id = 9 WHERE timeline_id = 1 AND drop_id = 1")
    events = timeline.database.query(f"SELECT key, member FROM {OUTBOX} ORDER BY 1")
    assert events == [(1, 1), (9, 1)]


def test_sides_that_are_away_are_waited_for(timeline, redis):
    timeline.start()
    fill(timeline)
    timeline.catch_up()
    redis.stop()
    timeline.database.query("UPDATE timeline_entries SET created_at = '2026-01-01'")
    time.sleep(1)
    assert timeline.waiting() == 30
    redis.start()
    timeline.database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'migrate/%'"
    )
    timeline.catch_up()
    (said,) = timeline.stop()
    assert "trying again" in said
    assert "events are applied again" in said
    # Redis came back empty: only a rebuild brings back what did not change.
    assert timeline.run("rebuild").returncode == 0
    timeline.assert_agreement()


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_tell_the_backlog_and_whether_redis_lost_its_data(timeline, redis):
    port = free_port()
    fill(timeline)
    timeline.start(REDIS_SYNC_LISTEN=f"127.0.0.1:{port}")
    timeline.catch_up()
    time.sleep(0.2)
    table = '{service="avion-timeline",table="timeline_entries"}'
    found = metrics(port)
    assert found[f"redis_sync_events_applied_total{table}"] == 30
    assert found[f"redis_sync_outbox_events{table}"] == 30  # as it was when the worker began
    assert found[f"redis_sync_outbox_oldest_seconds{table}"] > 0
    assert found[f"redis_sync_whole{table}"] == 0
    assert found['redis_sync_failures_total{service="avion-timeline",side="redis"}'] == 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    timeline.stop()
    assert timeline.run("rebuild").returncode == 0
    timeline.start(REDIS_SYNC_LISTEN=f"127.0.0.1:{port}")
    patience = time.monotonic() + 30
    while time.monotonic() < patience:
        with contextlib.suppress(OSError, KeyError):
            if metrics(port)[f"redis_sync_whole{table}"] == 1:
                break
        time.sleep(0.05)
    else:
        pytest.fail("a rebuilt Redis does not count as whole")
    timeline.stop()


def test_policy_that_throws_sets_away_is_refused(timeline, redis):
    redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    refused = timeline.run("run")
    assert refused.returncode == 1
    assert "has maxmemory-policy allkeys-lru" in refused.stderr


@pytest.mark.parametrize(
    ("variables", "status", "sentence"),
    [
        ({"REDIS_URL": ""}, 1, "REDIS_URL is not set"),
        ({"REDIS_URL": "http://:secret-word@127.0.0.1"}, 1, 'REDIS_URL begins with "http:"'),
        ({"REDIS_URL": "redis://:secret-word%zz@127.0.0.1"}, 1, "REDIS_URL is no address"),
        ({"REDIS_URL": "redis://:secret-word@127.0.0.1/first"}, 1, "has a database or a parameter that cannot be used"),
        ({"REDIS_URL": "redis://:secret-word@cache.example:6379"}, 1, "is redis://, but test on host"),
        ({"REDIS_URL": "rediss://:secret-word@127.0.0.1/?skip_verify=true"}, 1, "no certificate shall be checked"),
        ({"REDIS_URL": "redis://:secret-word@127.0.0.1:1"}, 4, "did not answer"),
        ({"REDIS_URL_FILE": "/nowhere/secret"}, 1, "are both set"),
        ({"REDIS_URL": "", "REDIS_URL_FILE": "/nowhere/secret"}, 1, "which cannot be read"),
        ({"ENVIRONMENT": "prodution"}, 1, 'ENVIRONMENT is "prodution"'),
    ],
)
def test_what_the_environment_does_not_allow_is_refused(timeline, variables, status, sentence):
    refused = timeline.run("compare", **variables)
    assert (refused.returncode, refused.stdout) == (status, "")
    assert sentence in refused.stderr
    assert refused.stderr.startswith("redis-sync: ")
    assert refused.stderr.count("\n") == 1
    assert "secret-word" not in refused.stderr


def test_wrong_password_is_told_without_it(timeline, redis):
    refused = timeline.run("compare", REDIS_URL=f"redis://:not-the-word@{redis.host}:{redis.port}")
    assert refused.returncode == 4
    assert "WRONGPASS" in refused.stderr
    assert "not-the-word" not in refused.stderr


def test_database_that_is_marked_as_production_demands_tls_whatever_is_set(timeline):
    marks = "goose_db_version_environment"
    timeline.database.query(f"UPDATE {marks} SET environment = 'production'")
    refused = timeline.run("compare")
    assert refused.returncode == 1
    assert "is redis://, but production on host" in refused.stderr


def test_tls_checks_the_certificate(timeline, redis, certificate_authority, tmp_path):
    authority = tmp_path / "ca.crt"
    certificate_authority.cert_pem.write_to_path(authority)
    with tls(redis, certificate_authority) as port:
        url = redis.url.replace("redis://", "rediss://").replace(f":{redis.port}/", f":{port}/")
        file = tmp_path / "redis-url"
        file.write_text(url + "\n")
        variables = {"REDIS_URL": "", "REDIS_URL_FILE": str(file)}
        trusted = timeline.run("compare", **variables, REDIS_SSL_ROOT_CERT=str(authority))
        assert trusted.returncode == 0, trusted.stderr
        unknown = timeline.run("compare", **variables)
        assert unknown.returncode == 4
        assert "certificate" in unknown.stderr


@contextlib.contextmanager
def tls(redis: Redis, authority: trustme.CA) -> Iterator[int]:
    """A port that speaks TLS in front of a server that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server((redis.host, 0))

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            end.close()

    def accept() -> None:
        while True:
            try:
                plain = listener.accept()[0]
            except OSError:
                return
            try:
                client = context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            server = socket.create_connection((redis.host, redis.port))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=carry, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def stamp(timeline: Timeline, table: str, *variables: str):
    """Writes a table and the recipe for it, and migrates."""
    timeline.make("migrate-create", "NAME=before")
    (empty,) = timeline.folder.glob("migrations/*_before.sql")
    empty.write_text(f"-- +goose Up\n{table}\n-- +goose Down\nDROP TABLE other;\n")
    timeline.make("migrate-create", "RECIPE=redis_sync", "TABLE=other", *variables)
    return command.run("make", "migrate-up", cwd=timeline.folder, env=timeline.variables)


def test_keys_of_text_and_scores_of_numbers_agree_too(timeline, redis):
    table = "CREATE TABLE other (k text, m uuid, s double precision, UNIQUE (k, m));"
    done = stamp(timeline, table, "KEY=k", "MEMBER=m", "SCORE=s", "NUMBER=yes", "PREFIX=o*'[x]:")
    assert done.returncode == 0, done.stderr
    timeline.start()
    timeline.database.query(
        "INSERT INTO other SELECT k, gen_random_uuid(), s FROM unnest(ARRAY['', 'a b', '東京', E'*\\\\']) k, "
        "unnest(ARRAY[0.1, -1e300, 'infinity', '-infinity', 'nan', NULL, 9007199254740993]) s"
    )
    patience = time.monotonic() + 30
    while timeline.database.value("SELECT count(*) FROM other_redis_outbox"):
        assert time.monotonic() < patience
        time.sleep(0.02)
    timeline.stop()
    assert sorted(redis.sets("o\\*'\\[x]:")) == sorted(f"o*'[x]:{key}" for key in ("", "a b", "東京", "*\\"))
    assert timeline.run("compare", "--table=other").returncode == 0
    assert timeline.run("rebuild").returncode == 0
    found = json.loads(timeline.run("compare", "--table=other", "--json").stdout)
    assert (found["sets"], found["members"], found["different"]) == (4, 20, 0)


@pytest.mark.parametrize(
    ("table", "variables", "sentence"),
    [
        ("(k bigint, m bigint, s timestamptz)", (), "other has no unique index on (k, m)"),
        ("(k bigint, m bigint, s timestamptz, UNIQUE (m, k))", (), "other has no unique index on (k, m)"),
        (
            "(k text, m bigint, s date, UNIQUE (k, m));"
            "CREATE COLLATION vague (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
            "ALTER TABLE other ALTER k TYPE text COLLATE vague",
            (),
            "the collation of k or m takes different texts for equal",
        ),
        ("(k bigint, m bigint, s bigint, UNIQUE (k, m))", (), "column s is bigint, but redis_sync takes timestamp"),
        ("(k bigint, m jsonb, s date, UNIQUE (k, m))", (), "column m is jsonb, but redis_sync takes smallint"),
        (
            "(k bigint, m bigint, s bigint, UNIQUE (k, m)); INSERT INTO other VALUES (1, 1, 9007199254740994)",
            ("NUMBER=yes",),
            "is beyond 2^53",
        ),
    ],
)
def test_table_that_sorted_sets_cannot_follow_is_refused(timeline, table, variables, sentence):
    refused = stamp(timeline, f"CREATE TABLE other {table};", "KEY=k", "MEMBER=m", "SCORE=s", "PREFIX=o:", *variables)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert timeline.database.value("SELECT to_regclass('other_redis_outbox')") is None


def test_two_tables_do_not_share_a_prefix(timeline):
    table = "CREATE TABLE other (k bigint, m bigint, s date, UNIQUE (k, m));"
    assert stamp(timeline, table, "KEY=k", "MEMBER=m", "SCORE=s", "PREFIX=timeline:other:").returncode == 0
    refused = timeline.run("compare")
    assert refused.returncode == 1
    assert "one beginning with the other makes them each other's" in refused.stderr


def test_whoever_writes_the_table_needs_no_right_on_the_outbox(timeline):
    database = timeline.database
    server = database.server
    server.execute(
        """
        CREATE ROLE writer;
        GRANT USAGE ON SCHEMA public TO writer;
        GRANT INSERT ON timeline_entries TO writer;
        """,
        database["DB_NAME"],
    )
    try:
        server.execute(
            f"""
            SET ROLE writer;
            CREATE TEMPORARY TABLE {OUTBOX} (key bigint, member bigint);
            INSERT INTO timeline_entries VALUES (1, 1, now());
            """,
            database["DB_NAME"],
        )
        assert database.query(f"SELECT key, member FROM {OUTBOX}") == [(1, 1)]
    finally:
        server.execute("DROP OWNED BY writer; DROP ROLE writer;", database["DB_NAME"])


def test_rows_that_leave_a_partitioned_table_by_a_cascade_leave_their_sets(timeline, redis):
    table = """
    CREATE TABLE owners (id bigint PRIMARY KEY);
    CREATE TABLE other (k bigint REFERENCES owners ON DELETE CASCADE, m bigint, s timestamptz, PRIMARY KEY (k, m))
        PARTITION BY HASH (k);
    CREATE TABLE other_0 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE other_1 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """
    assert stamp(timeline, table, "KEY=k", "MEMBER=m", "SCORE=s", "PREFIX=o:").returncode == 0
    timeline.start()
    timeline.database.query("INSERT INTO owners SELECT generate_series(1, 9)")
    timeline.database.query("INSERT INTO other SELECT k, 100, now() FROM generate_series(1, 9) k")
    timeline.database.query("UPDATE other SET k = k % 9 + 1, m = k")  # from one partition into the other
    timeline.database.query("DELETE FROM owners WHERE id < 6")
    patience = time.monotonic() + 30
    while timeline.database.value("SELECT count(*) FROM other_redis_outbox"):
        assert time.monotonic() < patience
        time.sleep(0.02)
    timeline.stop()
    assert sorted(redis.sets("o:")) == ["o:6", "o:7", "o:8", "o:9"]
    assert timeline.run("compare", "--table=other").returncode == 0
