"""A Redis server without a system installation, Docker or root, and the little of its protocol that tests need."""

import contextlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from dev.toolchain import install
from dev.toolchain.port import free_port


class RefusedError(Exception):
    """The server answered with an error."""


class Redis:
    """A running server on 127.0.0.1, empty, without persistence."""

    host = "127.0.0.1"
    password = "p@ss/w:rd"

    def __init__(self, *options: str) -> None:
        self.port = free_port(self.host)
        self._options = options
        self._home = tempfile.TemporaryDirectory(prefix="redis-")
        self.start()

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._home.cleanup()

    @property
    def url(self) -> str:
        return f"redis://:p%40ss%2Fw%3Ard@{self.host}:{self.port}/0"

    def start(self) -> None:
        self._log = (Path(self._home.name) / "log").open("ab")
        self._server = subprocess.Popen(
            [
                install.redis(),
                *("--bind", self.host, "--port", str(self.port), "--dir", self._home.name),
                *("--save", "", "--appendonly", "no", "--requirepass", self.password, *self._options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        patience = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self("PING")
                return
            assert self._server.poll() is None, self.log()
            assert time.monotonic() < patience, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.kill()
        self._server.wait(timeout=30)
        self._log.close()

    def log(self) -> str:
        return (Path(self._home.name) / "log").read_text()

    def __call__(self, *words: object) -> object:
        """Sends one command over a connection of its own and returns the answer."""
        with (
            socket.create_connection((self.host, self.port), timeout=60) as connection,
            connection.makefile("rwb") as wire,
        ):
            for command in (("AUTH", self.password), words):
                parts = [str(word).encode() for word in command]
                wire.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
                wire.flush()
                answer = _read(wire)
            return answer

    def sets(self, prefix: str) -> dict[str, dict[str, float]]:
        """Every sorted set under a prefix, with its members and their scores."""
        found = {}
        for name in self("KEYS", prefix + "*"):
            flat = self("ZRANGE", name, 0, -1, "WITHSCORES")
            found[name] = dict(zip(flat[::2], map(float, flat[1::2]), strict=True))
        return found


def _read(wire) -> object:
    line = wire.readline()
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+":
            return rest.decode()
        case b"-":
            raise RefusedError(rest.decode())
        case b":":
            return int(rest)
        case b"$":
            return None if int(rest) < 0 else wire.read(int(rest) + 2)[:-2].decode()
        case b"*":
            return [_read(wire) for _ in range(int(rest))]
    raise OSError(f"no answer but {line!r}")
