"""`make bench`: what the template and the engine cost above what Copier and goose cost anyway."""

import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from dev.release.history import check_out, releases
from dev.toolchain import container, image
from dev.toolchain.command import environment, run
from dev.toolchain.install import ROOT
from dev.toolchain.postgres import Server
from dev.toolchain.published import COPY, git, git_configuration, lay_out, publish, tagged

# The last release whose services held the engine's sources.
HEAVY = "0.2.0"
COPIES = 11
UPDATES = 3
SERVICES = 4
MIGRATIONS = 41
CONTAINERS = 41
THOUSANDS = 9
FILES = 1000
SERVICE = "avion-auth"
DATABASE, USER, PASSWORD = "avion_auth_db", "avion_auth", "bench"
MEGABYTE = 1_000_000
# What the project of distroless says that its static image and Alpine's have; neither can be pulled everywhere.
PUBLISHED_BASES = (2 * MEGABYTE, 5 * MEGABYTE)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="avion-bench-") as folder:
        print(f"{'median of':>9}  {'ours':>9}  {'theirs':>9}  {'ratio':>5}")
        (Path(folder) / "heavy").mkdir()
        heavy = tagged(check_out(ROOT, commit_of(HEAVY), Path(folder) / "heavy/work-tree"))
        copying(Path(folder), heavy)
        updating(Path(folder), heavy)
        with Server("15", durable=True) as server:
            migrating(Path(folder) / "generated" / SERVICE, server)


def commit_of(version: str) -> str:
    (commit,) = (release.commit for release in releases() if release.version == version)
    return commit


def copying(folder: Path, heavy: Path) -> None:
    ours = known(folder / "ours.gitconfig", publish(folder / "ours"))
    copy(folder / "generated", ours)
    service = folder / "generated" / SERVICE
    for title, theirs in (
        ("the same files without a question or a variable", floor(folder / "alone" / "work-tree", service)),
        (
            "the same, in a repository of as many files as this one",
            floor(among(folder / "among" / "work-tree"), service),
        ),
        (HEAVY, heavy),
    ):
        other = known(folder / f"{title}.gitconfig", theirs)
        # Whoever copies a second time has the clone that Copier keeps.
        copy(folder / "first" / title, other)
        compare(
            f"copier copy: this template, against {title}",
            COPIES,
            lambda: copy(folder / "copy", ours),
            functools.partial(copy, folder / "copy", other),
            after=lambda: shutil.rmtree(folder / "copy"),
        )


def known(file: Path, template: Path) -> dict[str, str]:
    """As `git_configuration`, with a cache of its own: both sides have one address, which is what Copier's goes by."""
    return git_configuration(file, template) | {"COPIER_CACHE_DIR": str(file.with_suffix(".cache"))}


def among(work_tree: Path) -> Path:
    """The files of this repository, but for those of its template."""
    lay_out(work_tree)
    shutil.rmtree(work_tree / "template")
    return work_tree


def floor(work_tree: Path, service: Path) -> Path:
    """A template that does nothing but copy the files of this service and keep the answers."""
    template = work_tree / "template"
    shutil.copytree(service, template)
    (template / ".copier-answers.yml").unlink()
    (template / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    (work_tree / "copier.yml").write_text("_subdirectory: template\n")
    return tagged(work_tree)


def copy(folder: Path, git: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    do(*COPY, SERVICE, cwd=folder, env=git)


def updating(folder: Path, heavy: Path) -> None:
    first, variables = released_twice(folder / "light", folder / "ours" / "avion-migration-template.git")
    services = [folder / "fleet" / str(number) / SERVICE for number in range(SERVICES)]

    def generate(origin: Path = first) -> None:
        shutil.rmtree(folder / "fleet", ignore_errors=True)
        for service in services:
            shutil.copytree(origin, service)

    def by_hand() -> None:
        for service in services:
            do("copier", "update", "--quiet", "--skip-answered", "--defaults", cwd=service, env=variables)

    def by_the_fleet(workers: int) -> None:
        do(sys.executable, "-m", "avion_template", "update", f"--workers={workers}", *services, cwd=ROOT, env=variables)

    for workers in (1, 2):
        compare(
            f"{SERVICES} services: `avion-template update --workers={workers}`, against `copier update` in each",
            UPDATES,
            functools.partial(by_the_fleet, workers),
            by_hand,
            before=generate,
        )
    before, _ = released_twice(folder / "before", heavy)
    for title, update in (("copier update", by_hand), ("avion-template update", lambda: by_the_fleet(1))):
        compare(
            f"{SERVICES} services: `{title}` of this template, against {HEAVY}",
            UPDATES,
            update,
            update,
            before=generate,
            before_theirs=lambda: generate(before),
        )


def released_twice(folder: Path, template: Path) -> tuple[Path, dict[str, str]]:
    """A committed service of the first of two releases, and the variables under which git knows it."""
    folder.mkdir()
    releases = folder / "releases"
    git("clone", "--quiet", template, releases, cwd=folder)
    changed = releases / "template/migrations.mk"
    changed.write_text(f"# The next release\n{changed.read_text()}")
    git("commit", "--quiet", "--all", "--message", "Next release", cwd=releases)
    git("tag", "v9999.1.0", cwd=releases)
    variables = git_configuration(folder / "updates.gitconfig")
    first = folder / "first" / SERVICE
    do("copier", "copy", "--quiet", "--defaults", "--vcs-ref=v9999.0.0", releases, first, cwd=folder, env=variables)
    for command in (["init"], ["add", "--all"], ["commit", "--message", "Generate"]):
        do("git", *command, cwd=first, env=variables)
    return first, variables


def migrating(service: Path, server: Server) -> None:
    server.create_database(DATABASE, USER, PASSWORD)
    environments = {
        "engine": {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_PASSWORD": PASSWORD},
        "goose": {
            "GOOSE_DRIVER": "postgres",
            "GOOSE_DBSTRING": f"postgres://{USER}:{PASSWORD}@{server.host}:{server.port}/{DATABASE}?sslmode=disable",
            "GOOSE_MIGRATION_DIR": "migrations",
        },
    }
    program = service.parent / "goose"
    static = {"CGO_ENABLED": "0", "GOBIN": str(service.parent)}
    do("go", "install", "-trimpath", "-ldflags=-s -w", goose_command(), cwd=service.parent, env=static)

    def make(target: str) -> None:
        do("make", target, cwd=service, env=environments["engine"])

    def engine(command: str) -> None:
        do("./tools/migrate/bin/migrate", command, cwd=service, env=environments["engine"])

    def goose(command: str) -> None:
        do(program, command, cwd=service, env=environments["goose"])

    def empty() -> None:
        server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")
        server.execute("CHECKPOINT")

    make("migrate-up")
    compare(
        "nothing to do: `make migrate-up`, against `goose up`",
        MIGRATIONS,
        lambda: make("migrate-up"),
        lambda: goose("up"),
    )
    compare("nothing to do: `migrate up`, against `goose up`", MIGRATIONS, lambda: engine("up"), lambda: goose("up"))
    containers(service, program, environments)
    write_migrations(service / "migrations", FILES)
    up = f"{FILES:,} files: `migrate up`, against `goose up`"
    compare(up, THOUSANDS, lambda: engine("up"), lambda: goose("up"), before=empty)
    status = f"{FILES:,} files: `migrate status`, against `goose status`"
    compare(status, THOUSANDS, lambda: engine("status"), lambda: goose("status"))
    testing(service, server, environments["engine"], goose)
    empty()
    megabytes = peak_memory("./tools/migrate/bin/migrate", "up", cwd=service, env=environments["engine"])
    print(f"{1:>9}  {megabytes:>6.0f} MB  {'':>9}  {'':>5}  {FILES:,} files: peak memory of `migrate up`", flush=True)


def testing(service: Path, server: Server, settings: dict[str, str], goose: Callable[[str], None]) -> None:
    """What a test waits for its database, which is dropped behind it."""

    def copied() -> None:
        process = subprocess.Popen(
            ["./tools/migrate/bin/migrate-dev", "testdb", "--wait"],
            cwd=service,
            env=environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        if not process.stdout.readline():
            raise subprocess.CalledProcessError(process.wait(), process.args)
        waiting.append(process)

    def migrated() -> None:
        server.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")
        goose("up")

    def drop() -> None:
        server.execute(f"SET client_min_messages = warning; DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        while waiting:
            waiting.pop().communicate()

    waiting: list[subprocess.Popen[bytes]] = []
    do("make", "tools/migrate/bin/migrate-dev", cwd=service)
    drop()
    copied()
    compare(
        f"{FILES:,} files: `testdb` for a test, against a new database and `goose up`",
        THOUSANDS,
        copied,
        migrated,
        before=drop,
    )
    drop()
    server.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")


def containers(service: Path, goose: Path, environments: dict[str, dict[str, str]]) -> None:
    """Our image against the goose command line in one of its own, each as its user would build it."""
    ours = image.build(service / "migrations.Dockerfile", Path(tempfile.mkdtemp(dir=service.parent)))
    theirs = image.Stage(
        Path(tempfile.mkdtemp(dir=service.parent)),
        "alpine",
        {},
        folder="/app",
        user="65532:65532",
        entrypoint=["/usr/local/bin/goose"],
        command=["up"],
    )
    theirs.root.chmod(0o755)
    for source, target in ((goose, theirs.entrypoint[0]), (service / "migrations", "migrations")):
        theirs.path(target).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, theirs.path(target))
    engine = ours.path(ours.entrypoint[0]).stat().st_size
    compare_sizes("size of the program", engine, goose.stat().st_size)
    sizes = (stage.size() + base for stage, base in zip((ours, theirs), PUBLISHED_BASES, strict=True))
    compare_sizes("size of the image, unpacked: on distroless static, against goose on Alpine", *sizes)
    if reason := container.missing():
        print(f"{'':>9}  no containers are compared: {reason}")
        return

    def start(stage: image.Stage, variables: dict[str, str]) -> None:
        started = container.start(stage, environment=variables)
        _, said = started.communicate(timeout=60)
        if started.returncode:
            raise RuntimeError(said)

    compare(
        "container start to nothing to do: `migrate up`, against `goose up`",
        CONTAINERS,
        lambda: start(ours, environments["engine"]),
        lambda: start(theirs, environments["goose"]),
    )


def compare_sizes(title: str, ours: int, theirs: int) -> None:
    print(
        f"{1:>9}  {ours / MEGABYTE:>6.1f} MB  {theirs / MEGABYTE:>6.1f} MB  {ours / theirs:>5.2f}  {title}", flush=True
    )


def goose_command() -> str:
    version = yaml.safe_load((ROOT / "versions.yml").read_text())["goose"]
    return f"github.com/pressly/goose/v3/cmd/goose@v{version}"


def write_migrations(folder: Path, count: int) -> None:
    for file in folder.glob("*.sql"):
        file.unlink()
    for number in range(1, count + 1):
        content = f"-- +goose Up\nCREATE TABLE t{number} (id int);\n-- +goose Down\nDROP TABLE t{number};\n"
        (folder / f"{number:05}_t.sql").write_text(content)


def peak_memory(*command: str, cwd: Path, env: dict[str, str]) -> float:
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # Linux counts kilobytes, macOS bytes.
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def compare(
    title: str,
    times: int,
    ours: Callable[[], None],
    theirs: Callable[[], None],
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
    before_theirs: Callable[[], None] | None = None,
) -> None:
    """Runs both in turn, each first as often as second, so that whatever else the machine does slows both."""
    sides: list[tuple[Callable[[], None], Callable[[], None], list[float]]] = [
        (ours, before, []),
        (theirs, before_theirs or before, []),
    ]
    for turn in range(times):
        for action, prepare, durations in sides if turn % 2 else reversed(sides):
            prepare()
            started = time.perf_counter()
            action()
            durations.append(time.perf_counter() - started)
            after()
    mine, other = (statistics.median(durations) * 1000 for _, _, durations in sides)
    print(f"{times:>9}  {mine:>6.0f} ms  {other:>6.0f} ms  {mine / other:>5.2f}  {title}", flush=True)


def do(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> None:
    ended = run(*command, cwd=cwd, env=env, timeout=600)
    if ended.returncode:
        raise subprocess.CalledProcessError(ended.returncode, ended.args, ended.stdout, ended.stderr)


if __name__ == "__main__":
    main()
