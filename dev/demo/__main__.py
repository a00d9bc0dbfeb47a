"""`make demo`: what a service's team does on its first day, on a real PostgreSQL."""

import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dotenv import dotenv_values

from dev.toolchain.command import environment
from dev.toolchain.postgres import Server
from dev.toolchain.published import COPY, git_configuration, publish

MAJOR = "15"
SERVICE = "avion-demo"


class Demo:
    """Shows each command and what it prints, and stops at the first that fails."""

    def __init__(self) -> None:
        self.durations: list[tuple[str, float]] = []

    def say(self, text: str) -> None:
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)

    def do(self, *command: str, cwd: Path, env: dict[str, str] | None = None) -> None:
        words = shlex.join(command)
        print(f"$ {words}", flush=True)
        started = time.monotonic()
        # One stream, so that a command's explanations and results stay in their order.
        ended = subprocess.run(
            command,
            cwd=cwd,
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if ended.returncode:
            sys.exit(f"The demo stopped: `{words}` ended with exit code {ended.returncode}.")
        self.durations.append((words, time.monotonic() - started))


def main() -> None:
    demo = Demo()
    with tempfile.TemporaryDirectory(prefix="avion-demo-") as folder:
        generate(demo, Path(folder))
        with Server(MAJOR) as server:
            migrate(demo, Path(folder) / SERVICE, server)
    demo.say("What was done, in seconds:")
    for words, seconds in demo.durations:
        print(f"{seconds:7.1f}  {words}")
    print(f"{sum(seconds for _, seconds in demo.durations):7.1f}  in all; server and folder are gone again")


def generate(demo: Demo, folder: Path) -> None:
    demo.say("1. Generate the service. (git finds gh:org/avion-migration-template in this repository.)")
    git = git_configuration(folder / "gitconfig", publish(folder / "published"))
    demo.do(*COPY, SERVICE, cwd=folder, env=git)


def migrate(demo: Demo, service: Path, server: Server) -> None:
    demo.say(f"2. Configure it: the example as it is, for a PostgreSQL {MAJOR} that listens on port {server.port}.")
    demo.do("cp", ".env.example", ".env", cwd=service)
    settings = dotenv_values(service / ".env")
    database, user, password = (str(settings[name]) for name in ("DB_NAME", "DB_USER", "DB_PASSWORD"))
    server.create_database(database, user, password)

    def make(target: str) -> None:
        demo.do("make", target, f"DB_PORT={server.port}", cwd=service)

    def look() -> None:
        demo.do("psql", "--no-psqlrc", "--command", "\\dt", cwd=service, env=server.connection(database))

    demo.say("3. Migrate. The first command builds the engine, once.")
    make("migrate-up")
    make("migrate-status")
    look()
    demo.say("4. Seed the data that development and test need.")
    make("migrate-seed")
    demo.say("5. Roll back the last migration, and apply it again.")
    make("migrate-down")
    look()
    make("migrate-up")
    make("migrate-status")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The demo was stopped."))
    main()
