"""`make bench`: what the template and the engine cost above what Copier and goose cost anyway."""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.toolchain.command import run
from tests.toolchain.postgres import Server
from tests.toolchain.published import COPY, git_configuration, publish, tagged

COPIES = 11
MIGRATIONS = 41
SERVICE = "avion-auth"
PASSWORD = "bench"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="avion-bench-") as folder:
        print(f"{'median of':>9}  {'ours':>9}  {'theirs':>9}  {'ratio':>5}")
        copying(Path(folder))
        with Server("15") as server:
            migrating(Path(folder) / "generated" / SERVICE, server)


def copying(folder: Path) -> None:
    ours = git_configuration(folder / "ours.gitconfig", publish(folder / "ours"))
    generated = folder / "generated"
    copy(generated, ours)
    theirs = git_configuration(folder / "theirs.gitconfig", floor(folder / "theirs", generated / SERVICE))
    compare(
        "copier copy: this template, against the same files without a question or a variable",
        COPIES,
        lambda: copy(folder / "copy", ours),
        lambda: copy(folder / "copy", theirs),
        after=lambda: shutil.rmtree(folder / "copy"),
    )


def floor(folder: Path, service: Path) -> Path:
    """A template that does nothing but copy the files of this service and keep the answers."""
    template = folder / "work-tree" / "template"
    shutil.copytree(service, template)
    (template / ".copier-answers.yml").unlink()
    (template / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    (template.parent / "copier.yml").write_text("_subdirectory: template\n")
    return tagged(template.parent)


def copy(folder: Path, git: dict[str, str]) -> None:
    folder.mkdir()
    do(*COPY, SERVICE, cwd=folder, env=git)


def migrating(service: Path, server: Server) -> None:
    server.create_database("avion_auth_db", "avion_auth", PASSWORD)
    engine = {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_PASSWORD": PASSWORD}
    goose = {
        "GOOSE_DRIVER": "postgres",
        "GOOSE_DBSTRING": f"postgres://avion_auth:{PASSWORD}@{server.host}:{server.port}/avion_auth_db?sslmode=disable",
        "GOOSE_MIGRATION_DIR": "migrations",
    }
    program = service.parent / "goose"
    do("go", "build", "-o", program, "github.com/pressly/goose/v3/cmd/goose", cwd=service / "tools/migrate")
    do("make", "migrate-up", cwd=service, env=engine)
    compare(
        "nothing to do: `make migrate-up`, against `goose up`",
        MIGRATIONS,
        lambda: do("make", "migrate-up", cwd=service, env=engine),
        lambda: do(program, "up", cwd=service, env=goose),
    )


def compare(
    title: str,
    times: int,
    ours: Callable[[], None],
    theirs: Callable[[], None],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Runs both in turn, so that whatever else the machine does slows both."""
    durations: dict[Callable, list[float]] = {ours: [], theirs: []}
    for _ in range(times):
        for action, seconds in durations.items():
            started = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - started)
            after()
    mine, other = (statistics.median(seconds) * 1000 for seconds in durations.values())
    print(f"{times:>9}  {mine:>6.0f} ms  {other:>6.0f} ms  {mine / other:>5.2f}  {title}", flush=True)


def do(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> None:
    ended = run(*command, cwd=cwd, env=env, timeout=600)
    if ended.returncode:
        raise subprocess.CalledProcessError(ended.returncode, ended.args, ended.stdout, ended.stderr)


if __name__ == "__main__":
    main()
