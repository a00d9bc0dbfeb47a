"""`make bench-backfill`: `migrate backfill` against one UPDATE and against a loop with OFFSET, beside an application that
writes. Writes docs/measurements/backfill.md and its picture. It needs a quiet machine; ROWS=200000 makes it a trial.
"""

import dataclasses
import datetime
import math
import os
import platform
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from dev.bench.__main__ import DATABASE, PASSWORD, USER, copy, do
from dev.bench.plot import Course, draw
from dev.toolchain.command import environment
from dev.toolchain.install import ROOT
from dev.toolchain.postgres import Server
from dev.toolchain.published import git_configuration, publish

ROWS = int(os.environ.get("ROWS", "5000000"))
OFFSET_ROWS = min(ROWS, 1_000_000)
OFFSET_BATCH = 1_000
RUNS = 3
KILLS = 20
MAJOR = "15"
WRITES_PER_SECOND = 200
# Of the writers alone; in their first seconds they read catalogs.
QUIET, WARM_UP = 20, 2
SAMPLE_EVERY = 2
PAGE = ROOT / "docs/measurements/backfill.md"

NAIVE = "UPDATE accounts SET screen_name = user_name"
LOOP = f"""
DO $$
DECLARE changed bigint; so_far bigint := 0;
BEGIN
    LOOP
        UPDATE accounts SET screen_name = user_name
        WHERE id IN (SELECT id FROM accounts ORDER BY id LIMIT {OFFSET_BATCH} OFFSET so_far);
        GET DIAGNOSTICS changed = ROW_COUNT;
        COMMIT;
        EXIT WHEN changed = 0;
        so_far := so_far + changed;
    END LOOP;
END $$
"""
JOB = "-- backfill: table=accounts key=id\nUPDATE accounts SET screen_name = user_name WHERE id BETWEEN $1 AND $2;\n"
COUNT = (
    "-- backfill: table=accounts key=id batch=50ms\nUPDATE accounts SET done = done + 1 WHERE id BETWEEN $1 AND $2;\n"
)
WRITE = "\\set id random(1, {rows})\nUPDATE accounts SET seen_at = now() WHERE id = :id;\n"


@dataclasses.dataclass
class Bench:
    """A service with its jobs, and the server that it runs them on."""

    service: Path
    server: Server

    def execute(self, sql: str) -> str:
        return self.server.execute(sql, database=DATABASE)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.server.host,
            port=self.server.port,
            user=self.server.superuser,
            password=self.server.password,
            dbname=DATABASE,
            autocommit=True,
        )

    def fresh(self, rows: int) -> None:
        """The table as it is before any of the runs, on disk, with nothing left to clean up."""
        self.execute(
            f"""
            SET client_min_messages = warning;
            DROP TABLE IF EXISTS accounts, goose_db_version_backfill;
            CREATE TABLE accounts (id bigint PRIMARY KEY, user_name text NOT NULL, screen_name text,
                seen_at timestamptz, done integer NOT NULL DEFAULT 0);
            ALTER TABLE accounts OWNER TO {USER};
            INSERT INTO accounts SELECT n, 'name ' || n FROM generate_series(1, {rows}) n;
            """
        )
        self.execute("VACUUM (FREEZE, ANALYZE) accounts")
        self.execute("CHECKPOINT")

    def start(self, job: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["tools/migrate/bin/migrate", "backfill", *options, job],
            cwd=self.service,
            env=environment({"DB_HOST": self.server.host, "DB_PORT": str(self.server.port), "DB_PASSWORD": PASSWORD}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def backfill(self, job: str, *options: str) -> None:
        running = self.start(job, *options)
        report = running.communicate()[1]
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, running.args, stderr=report)

    @contextmanager
    def writers(self, folder: Path) -> Iterator[list[tuple[float, float]]]:
        """An application that writes single rows: pgbench. Afterwards the list holds when each write was due, and the
        milliseconds until it was done.
        """
        script = folder / "write.sql"
        script.write_text(WRITE.format(rows=ROWS))
        latencies: list[tuple[float, float]] = []
        running = subprocess.Popen(
            [
                *("pgbench", "--no-vacuum", "--client=8", f"--rate={WRITES_PER_SECOND}", "--time=86400"),
                *("--log", f"--log-prefix={folder / 'writes'}", f"--file={script}"),
            ],
            env=environment(self.server.connection(DATABASE)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield latencies
        finally:
            time.sleep(1)
            running.terminate()
            running.wait(timeout=60)
        for log in folder.glob("writes.*"):
            for line in log.read_text().splitlines():
                fields = line.split()
                # Its end may cut the last line.
                if len(fields) == 7 and fields[2].isdigit():
                    latency, seconds, microseconds = int(fields[2]), int(fields[4]), int(fields[5])
                    latencies.append((seconds + (microseconds - latency) / 1e6, latency / 1000))
            log.unlink()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="avion-bench-") as name, Server(MAJOR, durable=True) as server:
        folder = Path(name)
        copy(folder / "generated", git_configuration(folder / "gitconfig", publish(folder / "published")))
        service = folder / "generated" / "avion-auth"
        (service / "migrations/backfill").mkdir()
        (service / "migrations/backfill/screen_name.sql").write_text(JOB)
        (service / "migrations/backfill/count.sql").write_text(COUNT)
        server.create_database(DATABASE, USER, PASSWORD)
        login = {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_PASSWORD": PASSWORD}
        do("make", "migrate-up", cwd=service, env=login)
        bench = Bench(service, server)
        write(
            [
                *rates(bench),
                *offsets(bench),
                *latencies(bench, folder),
                *kills(bench),
            ]
        )


def took(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def say(row: tuple[str, ...]) -> tuple[str, ...]:
    print("  ".join(row), flush=True)
    return row


def rates(bench: Bench) -> Iterator[tuple[str, ...]]:
    naive, ours = [], []
    for _ in range(RUNS):
        bench.fresh(ROWS)
        naive.append(took(lambda: bench.execute(NAIVE)))
        bench.fresh(ROWS)
        ours.append(took(lambda: bench.backfill("screen_name", "--unthrottled")))
    theirs, rate = ROWS / statistics.median(naive), ROWS / statistics.median(ours)
    yield say((f"One `UPDATE` of {ROWS:,} rows", f"{theirs:,.0f} rows/s", "", ""))
    yield say(("The same by `--unthrottled`", f"{rate:,.0f} rows/s", f"{rate / theirs:.2f} of the `UPDATE`", "≥ 0.80"))


def offsets(bench: Bench) -> Iterator[tuple[str, ...]]:
    bench.fresh(OFFSET_ROWS)
    theirs = OFFSET_ROWS / took(lambda: bench.execute(LOOP))
    bench.fresh(OFFSET_ROWS)
    ours = OFFSET_ROWS / took(lambda: bench.backfill("screen_name", "--unthrottled"))
    yield say((f"A loop with `OFFSET` over {OFFSET_ROWS:,} rows", f"{theirs:,.0f} rows/s", "", ""))
    yield say(("The same by `--unthrottled`", f"{ours:,.0f} rows/s", f"{ours / theirs:.1f} times the loop", "≥ 10"))


@dataclasses.dataclass
class Beside:
    """What a piece of work did beside the writers, who were alone before it, and are again after it. It began at 0."""

    name: str
    seconds: float
    writes: list[tuple[float, float]]
    done: list[tuple[float, float]]

    @property
    def before(self) -> list[float]:
        return [latency for due, latency in self.writes if WARM_UP - QUIET <= due < 0]

    @property
    def during(self) -> list[float]:
        return [latency for due, latency in self.writes if 0 <= due <= self.seconds]


def latencies(bench: Bench, folder: Path) -> Iterator[tuple[str, ...]]:
    naive = beside(bench, folder, "one UPDATE", lambda: bench.execute(NAIVE), SIZE)
    ours = beside(bench, folder, "migrate backfill", lambda: bench.backfill("screen_name"), PROGRESS)
    before = p99(naive.before + ours.before)
    yield say(("Writers' p99 beside nothing", f"{before:.1f} ms", "", ""))
    for work, limit in ((naive, ""), (ours, "≤ 1.5")):
        during = p99(work.during)
        yield say((f"Writers' p99 beside {work.name}", f"{during:.1f} ms", f"{during / before:.2f} times", limit))
        yield say((f"How long {work.name} took", f"{work.seconds:.0f} s", f"{ROWS / work.seconds:,.0f} rows/s", ""))
    draw([Course(work.name, work.done, by_second(work.writes)) for work in (naive, ours)], PAGE.with_suffix(".svg"))


def beside(bench: Bench, folder: Path, name: str, work: Callable[[], object], amount: str) -> Beside:
    bench.fresh(ROWS)
    with bench.writers(folder) as writes:
        time.sleep(QUIET)
        with sampled(bench, amount) as samples:
            began = time.time()
            seconds = took(work)
        time.sleep(QUIET / 4)
    # What the table grew by in all is what all of its rows need.
    first, last = samples[0][1], samples[-1][1]
    done = [(at - began, (value - first) / (last - first) * ROWS) for at, value in samples]
    return Beside(name, seconds, [(due - began, latency) for due, latency in writes], done)


# How far the two are. What one statement did is not seen before its commit, but the new versions of its rows are appended to
# the table.
SIZE = "SELECT pg_relation_size('accounts')"
PROGRESS = "SELECT coalesce(sum(scanned), 0) FROM goose_db_version_backfill"


@contextmanager
def sampled(bench: Bench, amount: str) -> Iterator[list[tuple[float, float]]]:
    """How much there was of something at which time, from the beginning to the end of what runs meanwhile."""
    samples: list[tuple[float, float]] = []
    ended = threading.Event()
    with bench.connect() as session:

        def sample() -> None:
            try:
                ((value,),) = session.execute(amount).fetchall()
            except psycopg.errors.UndefinedTable:  # The first job has not begun.
                value = 0
            samples.append((time.time(), float(value)))

        def go_on() -> None:
            while not ended.wait(SAMPLE_EVERY):
                sample()

        sample()
        sampler = threading.Thread(target=go_on)
        sampler.start()
        try:
            yield samples
        finally:
            ended.set()
            sampler.join()
        # The end takes the place of a sample that is too near for a rate between the two.
        if len(samples) > 1 and time.time() - samples[-1][0] < SAMPLE_EVERY / 2:
            samples.pop()
        sample()


def p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98]


def by_second(writes: list[tuple[float, float]]) -> list[tuple[float, float]]:
    seconds: dict[int, list[float]] = defaultdict(list)
    for due, latency in writes:
        seconds[math.floor(due)].append(latency)
    return [
        (second, p99(all_of_it) if len(all_of_it) > 1 else all_of_it[0])
        for second, all_of_it in sorted(seconds.items())
    ]


def kills(bench: Bench) -> Iterator[tuple[str, ...]]:
    """Adding, unlike setting, shows a row that was done twice."""
    rows = min(ROWS, 1_000_000)
    bench.fresh(rows)
    killed = 0
    while killed < KILLS:
        running = bench.start("count")
        time.sleep(random.uniform(0.1, 1.0))
        running.kill()
        running.communicate()
        killed += running.returncode == -signal.SIGKILL
        if running.returncode == 0:
            bench.execute("UPDATE goose_db_version_backfill SET state = 'running', last_key = NULL, scanned = 0")
            bench.execute("UPDATE accounts SET done = 0")
    bench.backfill("count")
    missed, twice = bench.execute(
        "SELECT count(*) FILTER (WHERE done = 0), count(*) FILTER (WHERE done > 1) FROM accounts"
    ).split("|")
    yield say((f"{killed} times SIGKILL", f"{missed} missed", f"{twice.strip()} done twice", "0 and 0"))


def write(rows: list[tuple[str, ...]]) -> None:
    version = f"PostgreSQL {MAJOR}"
    table = "\n".join(" ".join(["|", *(f"{cell} |".lstrip() for cell in row)]) for row in rows)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        f"""# What a backfill costs

`make bench-backfill` measured this on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}: {ROWS:,} rows on {version} with its
default settings, on a machine with {os.cpu_count()} cores ({platform.machine()}, {platform.system()}). Server, engine and
writers share these cores. The writers are eight sessions of pgbench, which change {WRITES_PER_SECOND} single rows per
second; a write that has to wait counts from the moment when it was due. Each comparison begins with a new table that was
vacuumed, and with a checkpoint; the first two rates are medians of {RUNS} runs.

| What | Measured | Ratio | Goal |
| --- | --- | --- | --- |
{table}

![Rows per second and the writers' p99 over time, of one UPDATE and of the backfill](backfill.svg)

Both pieces of work begin at second 0, the backfill at the pace that a job has by itself. How many rows the backfill has
done it says itself, with every batch; how many the `UPDATE` has done is worked out from the growth of the table.
"""
    )


if __name__ == "__main__":
    main()
