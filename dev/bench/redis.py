"""`make bench-redis`: how fast the worker of redis_sync is, what its trigger costs whoever writes the table, and how long a
commit takes to reach Redis. Writes docs/measurements/redis.md. It needs a quiet machine; EVENTS=20000 makes it a trial.
"""

import dataclasses
import datetime
import os
import platform
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from dev import recipes
from dev.bench.__main__ import PASSWORD, do
from dev.toolchain.command import environment
from dev.toolchain.install import ROOT
from dev.toolchain.postgres import Server
from dev.toolchain.published import COPY, git_configuration, publish
from dev.toolchain.redis import Redis

EVENTS = int(os.environ.get("EVENTS", "100000"))
SETS = 1000
WORKERS = (1, 2)
MAJOR = "15"
TURNS = 3
TURN = 2  # seconds
WRITES_PER_SECOND = 200
WRITES = 10 * WRITES_PER_SECOND
PAGE = ROOT / "docs/measurements/redis.md"

SERVICE = "avion-timeline"  # which has redis_sync without being asked
DATABASE, USER = "avion_timeline_db", "avion_timeline"
WORKER = "tools/migrate/bin/redis-sync"
OUTBOX = "timeline_entries_redis_outbox"
PREFIX = "timeline:"
TABLE = recipes.tables(ROOT, "redis_sync")
RECIPE = ("RECIPE=redis_sync", "TABLE=timeline_entries", "KEY=timeline_id", "MEMBER=drop_id", "SCORE=created_at")
FILL = f"INSERT INTO timeline_entries SELECT random() * {SETS - 1}, n FROM generate_series(1, {EVENTS}) n"
WRITERS = {
    "one row": f"INSERT INTO timeline_entries SELECT random() * {SETS - 1}, nextval('drops');\n",
    "1,000 rows": (
        f"INSERT INTO timeline_entries SELECT random() * {SETS - 1}, nextval('drops') FROM generate_series(1, 1000);\n"
    ),
}
# What Redis says of a member that a script sets: when, in which set, its score and its name.
ADDED = re.compile(rb'\+([\d.]+) \[\d+ lua\] "ZADD" "[^"]*" "[^"]*" "(\d+)"')


@dataclasses.dataclass
class Bench:
    """A service with its worker, and the two servers that have to agree."""

    service: Path
    server: Server
    redis: Redis

    def execute(self, sql: str) -> str:
        return self.server.execute(sql, database=DATABASE)

    def connect(self) -> psycopg.Connection:
        login = self.server.connection(DATABASE)
        return psycopg.connect(
            host=login["PGHOST"],
            port=login["PGPORT"],
            user=login["PGUSER"],
            password=login["PGPASSWORD"],
            dbname=DATABASE,
            autocommit=True,
        )

    def fresh(self) -> None:
        self.execute(f"TRUNCATE timeline_entries; TRUNCATE {OUTBOX}")
        self.redis("FLUSHALL")
        self.execute("CHECKPOINT")

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """Workers that have begun to wait for events."""
        running = [
            subprocess.Popen(
                [WORKER],
                cwd=self.service,
                env=environment({**login(self.server), "REDIS_URL": self.redis.url}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        try:
            for worker in running:
                assert worker.stderr
                worker.stderr.readline()
            time.sleep(0.5)
            yield
        finally:
            for worker in running:
                worker.terminate()
            for worker in running:
                said = worker.communicate(timeout=60)[1]
                if worker.returncode or "trying again" in said:
                    raise RuntimeError(said)


def login(server: Server) -> dict[str, str]:
    return {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_PASSWORD": PASSWORD}


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="avion-bench-") as name,
        Server(MAJOR, durable=True) as server,
        Redis() as redis,
    ):
        folder = Path(name)
        do(*COPY, SERVICE, cwd=folder, env=git_configuration(folder / "gitconfig", publish(folder / "published")))
        service = folder / SERVICE
        (service / "migrations/00002_timeline_entries.sql").write_text(TABLE)
        server.create_database(DATABASE, USER, PASSWORD)
        do("make", "migrate-create", *RECIPE, f"PREFIX={PREFIX}", cwd=service)
        do("make", "migrate-up", cwd=service, env=login(server))
        do("make", WORKER, cwd=service)
        bench = Bench(service, server, redis)
        bench.execute("CREATE SEQUENCE drops CACHE 1000")
        write([*throughputs(bench), *overheads(bench, folder), *delays(bench)])


def say(row: tuple[str, ...]) -> tuple[str, ...]:
    print("  ".join(row), flush=True)
    return row


def throughputs(bench: Bench) -> Iterator[tuple[str, ...]]:
    alone = 0.0
    for count in WORKERS:
        bench.fresh()
        with bench.workers(count), bench.connect() as connection:
            connection.execute(FILL)
            began = time.monotonic()
            while connection.execute(f"SELECT FROM {OUTBOX} LIMIT 1").fetchall():
                time.sleep(0.02)
            rate = EVENTS / (time.monotonic() - began)
        alone = alone or rate
        ratio = f"{rate / alone:.2f} of one" if count > 1 else ""
        yield say((f"{EVENTS:,} events of {SETS:,} sets, {workers(count)}", f"{rate:,.0f} events/s", ratio))


def workers(count: int) -> str:
    return f"{count} worker" + "s" * (count > 1)


def overheads(bench: Bench, folder: Path) -> Iterator[tuple[str, ...]]:
    """Both in turn, so that whatever else the machine does slows both; no worker runs."""
    for name, sql in WRITERS.items():
        script = folder / "write.sql"
        script.write_text(sql)
        rates: dict[str, list[float]] = {"DISABLE": [], "ENABLE": []}
        for turn in range(TURNS):
            for state in sorted(rates, reverse=turn % 2 == 1):
                bench.fresh()
                bench.execute(f"ALTER TABLE timeline_entries {state} TRIGGER USER")
                rates[state].append(transactions(bench, script))
        without, with_it = (statistics.median(each) for each in rates.values())
        yield say((f"Insert of {name}, without the trigger", f"{without:,.0f} transactions/s", ""))
        yield say(("The same with the trigger", f"{with_it:,.0f} transactions/s", f"{with_it / without:.2f}"))


def transactions(bench: Bench, script: Path) -> float:
    """How many transactions two sessions of pgbench manage in a second, without waiting for the disk."""
    ended = subprocess.run(
        ["pgbench", "--no-vacuum", "--client=2", f"--time={TURN}", f"--file={script}"],
        env=environment(bench.server.connection(DATABASE), {"PGOPTIONS": "-c synchronous_commit=off"}),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    (rate,) = re.findall(r"^tps = ([\d.]+)", ended.stdout, re.MULTILINE)
    return float(rate)


def delays(bench: Bench) -> Iterator[tuple[str, ...]]:
    for count in WORKERS:
        bench.fresh()
        committed = {}
        with bench.workers(count), arrivals(bench.redis) as arrived, bench.connect() as connection:
            due = time.monotonic()
            for number in range(WRITES):
                connection.execute("INSERT INTO timeline_entries VALUES (%s, %s)", (number % SETS, number))
                committed[number] = time.time()
                due += 1 / WRITES_PER_SECOND
                time.sleep(max(0, due - time.monotonic()))
            patience = time.monotonic() + 30
            while len(arrived) < WRITES and time.monotonic() < patience:
                time.sleep(0.1)
        cuts = statistics.quantiles([(arrived[n] - at) * 1000 for n, at in committed.items()], n=100)
        what = f"From commit to Redis at {WRITES_PER_SECOND} writes/s, {workers(count)}"
        yield say((what, f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms", ""))


@contextmanager
def arrivals(redis: Redis) -> Iterator[dict[int, float]]:
    """When each member reached Redis, by the server's own clock, which is the machine's."""
    arrived: dict[int, float] = {}
    wire = socket.create_connection((redis.host, redis.port))
    wire.sendall(f"AUTH {redis.password}\r\nMONITOR\r\n".encode())

    def listen() -> None:
        with suppress(OSError), wire.makefile("rb") as lines:
            for line in lines:
                if added := ADDED.match(line):
                    arrived[int(added[2])] = float(added[1])

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield arrived
    finally:
        wire.shutdown(socket.SHUT_RDWR)
        listener.join()
        wire.close()


def write(rows: list[tuple[str, ...]]) -> None:
    table = "\n".join(" ".join(["|", *(f"{cell} |".lstrip() for cell in row)]) for row in rows)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        f"""# What sorted sets in agreement cost

`make bench-redis` measured this on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: PostgreSQL {MAJOR} with its default settings and Redis without
persistence, on a machine with {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), which servers, workers and writers share.

- The events are those of one transaction; they count from its commit until the outbox is empty.
- The trigger's writers are two sessions of pgbench, without a worker beside them. Their commits do not wait for the disk, so
  that nothing hides what the trigger costs: it writes one more row for each.
- A worker that has nothing to do looks for events every 100 ms, which is most of the delay.

| What | Measured | Ratio |
| --- | --- | --- |
{table}
"""
    )


if __name__ == "__main__":
    main()
