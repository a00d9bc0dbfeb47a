"""A standby is no server to migrate, and a primary that is lost in the middle of a run leaves nothing done twice or by halves."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time

import psycopg
import pytest

from dev.toolchain import command
from dev.toolchain.port import free_port
from dev.toolchain.postgres import Certificate, Server
from tests.conftest import Database
from tests.faults import Marked

NAME, USER, PASSWORD = "avion_auth_db", "avion_auth", "a password"


class Standby(Server):
    """A server that follows a primary."""

    def __init__(self, primary: Server) -> None:
        self._primary = primary
        super().__init__(primary.major)

    def _prepare(self, certificate: Certificate | None) -> None:
        primary = self._primary
        with (primary._data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        with psycopg.connect(**_psycopg(primary), autocommit=True) as session:
            session.execute("SELECT pg_reload_conf()")
            session.execute("SELECT pg_backup_start('standby', true)")
            shutil.copytree(primary._data, self._data, ignore=shutil.ignore_patterns("postmaster.*"))
            label = session.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchone()[0]
        (self._data / "backup_label").write_text(label)
        (self._data / "standby.signal").touch()
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"primary_conninfo = 'host={primary.host} port={primary.port} user={primary.superuser} password={primary.password}'\n"
            )
        self.password = primary.password
        self._give_away(self._home, self._data, *self._data.rglob("*"))
        self._data.chmod(0o700)

    def await_everything(self) -> None:
        """Waits until the standby has what the primary has now."""
        now = self._primary.execute("SELECT pg_current_wal_lsn()").strip()
        for _ in range(400):
            if self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{now}'").strip() == "t":
                return
            time.sleep(0.05)
        raise AssertionError("the standby does not follow")


def _psycopg(server: Server) -> dict[str, object]:
    return {
        "host": server.host,
        "port": server.port,
        "user": server.superuser,
        "password": server.password,
        "dbname": "postgres",
    }


class Address:
    """The name of the service's database: it leads to whichever server is the primary."""

    def __init__(self, server: Server) -> None:
        self.server, self.port = server, free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def _begin(self, target, *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((self.server.host, self.server.port))
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                self._begin(self._pass_on, source, sink)

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with source, contextlib.suppress(OSError):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            finally:
                sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=30)


@pytest.fixture
def pair():
    with Server("15") as primary:
        primary.create_database(NAME, USER, PASSWORD)
        with Standby(primary) as standby:
            standby.await_everything()
            yield primary, standby


def database(server: Server, port: int | None = None) -> Database:
    reached = Database(server, NAME, USER)
    reached |= {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(port or server.port),
        "DB_NAME": NAME,
        "DB_USER": USER,
        "DB_PASSWORD": PASSWORD,
    }
    return reached


def test_a_standby_is_refused_by_its_name(pair, engine, tmp_path):
    _, standby = pair
    marked = Marked(tmp_path, engine, database(standby)).write()
    env = {"ENVIRONMENT": "test", "MIGRATION_CONNECT_TIMEOUT": "1", **marked.database}
    for arguments in (["ping"], ["up"], ["status"], ["down"]):
        refused = command.run(engine, *arguments, cwd=tmp_path, env=env)
        assert refused.returncode == 4, refused
        assert f"127.0.0.1:{standby.port} is a standby" in refused.stderr


def test_a_failover_in_the_middle_of_a_run_does_nothing_twice(pair, engine, tmp_path):
    primary, standby = pair
    address = Address(primary)
    marked = Marked(tmp_path, engine, database(primary, address.port)).write()
    first = marked.start(MIGRATION_CONNECT_TIMEOUT=1)
    time.sleep(0.4)
    standby.await_everything()
    primary.stop()
    report = first.communicate(timeout=60)[1]
    assert first.returncode in (0, 4), report
    # As the Job does: again, while the old primary is gone and the new one is not one yet.
    address.server = standby
    again = marked.start(MIGRATION_CONNECT_TIMEOUT=1)
    report = again.communicate(timeout=60)[1]
    assert again.returncode == 4, report
    assert "is a standby" in report
    standby.execute("SELECT pg_promote()")
    last = marked.start(MIGRATION_CONNECT_TIMEOUT=30)
    report = last.communicate(timeout=120)[1]
    address.close()
    assert last.returncode == 0, report
    Marked(tmp_path, engine, database(standby)).assert_each_was_applied_once()
