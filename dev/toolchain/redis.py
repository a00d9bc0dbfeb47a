"""A Redis server without a system installation, Docker or root."""

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import valkey

from dev.toolchain import install
from dev.toolchain.port import free_port


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
            with contextlib.suppress(valkey.ConnectionError):
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

    def __call__(self, *words: object) -> Any:
        """Sends one command over a connection of its own and returns the answer."""
        with valkey.Valkey(
            self.host, self.port, password=self.password, decode_responses=True, socket_timeout=60
        ) as client:
            return client.execute_command(*words)

    def sets(self, prefix: str) -> dict[str, dict[str, float]]:
        """Every sorted set under a prefix, with its members and their scores."""
        found = {}
        for name in self("KEYS", prefix + "*"):
            flat = self("ZRANGE", name, 0, -1, "WITHSCORES")
            found[name] = dict(zip(flat[::2], map(float, flat[1::2]), strict=True))
        return found
