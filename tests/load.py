"""An application that goes on working while something is done to its database."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator

import psycopg

# What the engine waits for a lock at most, and what a busy machine may add.
LONGEST_WAIT = 3.2


class Load:
    """Sessions that repeat one act on a database until the block ends, and how long each took.

    `act(connection, number)` is one transaction of the application; no number comes twice.

        with Load(database, write) as load:
            with load.phase("before"):
                time.sleep(1)
            with load.phase("during"):
                run(engine, "up", cwd=folder, env=database)
        load.report("concurrent_index")
        assert load.errors == []
        assert load.longest <= LONGEST_WAIT
    """

    def __init__(
        self, database, act: Callable[[psycopg.Connection, int], None], sessions: int = 4, rest: float = 0.002
    ) -> None:
        self.errors: list[Exception] = []
        self._database, self._act, self._rest = database, act, rest
        self._acts: list[tuple[float, float]] = []
        self._phases: dict[str, tuple[float, float]] = {}
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(sessions)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a session of the application is stuck"

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self._phases[name] = (begin, time.monotonic())

    @property
    def done(self) -> int:
        """How many acts have succeeded."""
        return len(self._acts)

    @property
    def longest(self) -> float:
        """How many seconds the slowest act took."""
        return max(end - begin for begin, end in self._acts)

    def p99(self, phase: str) -> float:
        """The time in seconds that 99 of 100 acts of a phase stayed below."""
        since, until = self._phases[phase]
        took = sorted(end - begin for begin, end in self._acts if begin < until and end > since)
        return took[int(len(took) * 0.99)]

    def report(self, name: str) -> None:
        """Prints what the phases cost the application; `pytest -s` shows it."""
        before, *others = self._phases
        words = [f"{before} {self.p99(before) * 1000:.1f} ms"]
        words += [f"{p} {self.p99(p) * 1000:.1f} ms ({self.p99(p) / self.p99(before):.2f})" for p in others]
        print(f"{name}: {self.done} acts, p99 {', '.join(words)}, longest {self.longest * 1000:.0f} ms")

    def _work(self) -> None:
        with self._database.connect() as connection:
            while not self._over.is_set():
                begin = time.monotonic()
                try:
                    self._act(connection, next(self._numbers))
                except psycopg.Error as error:
                    self.errors.append(error)
                else:
                    self._acts.append((begin, time.monotonic()))
                time.sleep(self._rest * random.uniform(0.5, 1.5))
