"""Whenever a run is stopped, and by whatever, the next one finishes the work."""

import contextlib
import os
import random
import signal
import socket
import threading
import time

import psycopg
import pytest

from tests.amounts import both_ends, rounds
from tests.faults import Marked

LONGEST_RUN = 0.6  # seconds after which a run has ended by itself


class Wire:
    """What lies between the engine and the server, and can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here = self._listener.accept()[0]
                there = socket.create_connection(self._server)
                self._ends += [here, there]
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def crash(marked: Marked) -> None:
    """A backend that dies makes the server end every session at once and recover."""
    with contextlib.suppress(psycopg.OperationalError), marked.database.connect() as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        connection.execute("SELECT 1")
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        with contextlib.suppress(psycopg.OperationalError):
            marked.database.value("SELECT 1")
            return
        time.sleep(0.05)


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGTERM", "crash", "restart", "cut"])
@both_ends
@rounds(1, 100)
def test_the_next_run_finishes_the_work(rounds, postgres, database, engine, tmp_path, fault):
    marked = Marked(tmp_path, engine, database).write()
    stopped = 0
    for _ in range(rounds):
        marked.empty()
        wire = Wire(database.server.host, database.server.port)
        runner = marked.start(DB_PORT=wire.port) if fault == "cut" else marked.start()
        time.sleep(random.uniform(0, LONGEST_RUN))
        if fault == "crash":
            crash(marked)
        elif fault == "restart":
            postgres.restart_immediately()
        elif fault == "cut":
            wire.cut()
        else:
            runner.send_signal(signal.Signals[fault])
        # The server ended every session, and the engine may be about to open its first.
        if fault not in ("crash", "restart"):
            marked.assert_nobody_is_left()
        runner.communicate(timeout=60)
        wire.cut()
        stopped += runner.returncode != 0
        marked.assert_nobody_is_left()
        marked.assert_nothing_is_half_applied()
        again = marked.start()
        report = again.communicate(timeout=120)[1]
        assert again.returncode == 0, report
        marked.assert_each_was_applied_once()
    print(f"PostgreSQL {postgres.major}, {fault}: {rounds} runs, {stopped} of them stopped")
