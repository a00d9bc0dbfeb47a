"""The words in which the tests speak: a published template, services generated from it, servers and databases."""

import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import trustme
from copier import run_copy
from filelock import FileLock
from plumbum import local

from avion_template.compiled import compile_once
from avion_template.scratch import scratch_folder
from dev import copier_yml
from dev.toolchain import command, install, published
from dev.toolchain.install import ROOT, VENV, search_path
from dev.toolchain.postgres import Certificate, Server
from dev.toolchain.published import COPY, git_configuration, publish
from tests.actions import Actions
from tests.amounts import OLDEST

ENGINE, DEV = Path("tools/migrate/bin/migrate"), Path("tools/migrate/bin/migrate-dev")
# The commands that only developers have.
DEVELOPING = {
    "create",
    "recipes",
    "validate",
    "lint",
    "check",
    "reset",
    "adopt",
    "import",
    "wire",
    "doctor",
    "testdb",
    "schema",
    "template-check",
}


def program(command: str) -> Path:
    """The engine's program that has a command."""
    return DEV if command in DEVELOPING else ENGINE


class Database(dict):
    """A database of a service's own: the variables that lead there, and ways to look inside."""

    def __init__(self, server: Server, name: str, user: str) -> None:
        self.server = server
        super().__init__(
            DB_HOST=server.host,
            DB_PORT=str(server.port),
            DB_NAME=name,
            DB_USER=user,
            DB_PASSWORD=secrets.token_urlsafe(16),
        )

    @property
    def libpq(self) -> dict[str, str]:
        """The same way in, as psql and pg_dump read it."""
        names = {"host": "HOST", "port": "PORT", "name": "DATABASE", "user": "USER", "password": "PASSWORD"}
        return {f"PG{theirs}": self[f"DB_{ours.upper()}"] for ours, theirs in names.items()}

    @contextlib.contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(
            host=self["DB_HOST"],
            port=self["DB_PORT"],
            dbname=self["DB_NAME"],
            user=self["DB_USER"],
            password=self["DB_PASSWORD"],
            autocommit=True,
        ) as connection:
            yield connection

    def query(self, sql: str, *parameters: object) -> list[tuple]:
        with self.connect() as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, *parameters: object) -> object:
        ((value,),) = self.query(sql, *parameters)
        return value

    def schema(self, *options: str) -> str:
        """The schema as pg_dump writes it, the same text for the same schema."""
        dump = command.run(
            *("pg_dump", "--schema-only", "--restrict-key=same", *options), cwd=Path("/"), env=self.libpq
        )
        assert dump.returncode == 0, dump.stderr
        return dump.stdout


ROOMS = ("rules", "render", "engine", "server", "update", "pages", "delivery")
# What runs only where it is asked for by name, as `make test-slow` does.
KINDS = ("slow", "soak", "cluster", "renovate")


# Eight gigabytes: the servers of three workers with their databases, Go's builds and Copier's clones take less than half of it.
USERS = 32


def pytest_configure(config: pytest.Config) -> None:
    """Lets what is temporary live in memory, if there is room: thousands of clones and databases, each of hundreds of files,
    keep a disk's file system busy with their names. The folders of tests that failed stay there.
    """
    if hasattr(config, "workerinput"):  # a worker of the one that has done so
        return
    temporary = contextlib.ExitStack()
    folder = temporary.enter_context(scratch_folder(USERS))
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder.parent))
    folder.chmod(0o711)  # PostgreSQL refuses to run as root, and has to get through
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.add_cleanup(temporary.close)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test carries the name of its room; a kind that takes long is left out unless `-m` names it."""
    left_out = {kind for kind in KINDS if kind not in config.option.markexpr}
    for item in items:
        (room,) = {*ROOMS} & {*item.path.relative_to(Path(__file__).parent).parts}
        item.add_marker(room)
    chosen = [item for item in items if not left_out & {marker.name for marker in item.iter_markers()}]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="session", autouse=True)
def programs(sessionpatch) -> None:
    """The installed programs come before the machine's, also where a test or Copier starts one by itself."""
    sessionpatch.setenv("PATH", search_path())
    sessionpatch.setitem(local.env, "PATH", search_path())


@pytest.fixture(scope="session", autouse=True)
def copier_cache(sessionpatch) -> None:
    """Copier's clones of templates end with the session."""
    cache = tempfile.mkdtemp(prefix="copier-cache-")
    sessionpatch.setenv("COPIER_CACHE_DIR", cache)
    sessionpatch.setitem(local.env, "COPIER_CACHE_DIR", cache)


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Copies in a worker's own process compile each template once, as the fleet's do; the command `copier` does not."""
    compile_once()


@pytest.fixture(scope="session")
def run() -> Callable:
    """run("make", "migrate-up", cwd=service, env=database): no terminal, nothing of the developer's environment."""
    return command.run


@pytest.fixture(scope="session")
def git(default_gitconfig) -> Callable[..., str]:
    def git(*arguments: str | Path, cwd: Path) -> str:
        result = command.run("git", *arguments, cwd=cwd)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return git


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all workers of one session share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def once(shared: Path, what: list, make: Callable[[Path], None]) -> Path:
    """A folder that is filled at the first call of the session, whichever worker makes it."""
    folder = shared / hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def template(default_gitconfig, shared) -> Path:
    """This repository, published: a bare clone with the work tree as it stands under the newest tag."""
    return once(shared, ["published"], publish) / "avion-migration-template.git"


@pytest.fixture(scope="session")
def sources(template, shared) -> Path:
    """The same without git, in which Copier need not look for a version first."""

    def clone(folder: Path) -> None:
        published.git("clone", "--quiet", template, folder / "template", cwd=folder)
        shutil.rmtree(folder / "template/.git")

    return once(shared, ["sources"], clone) / "template"


@pytest.fixture(scope="session")
def questions() -> set[str]:
    return set(copier_yml.questions(copier_yml.read(ROOT)))


@pytest.fixture(scope="session")
def rendered(template, questions, shared) -> Callable[..., Path]:
    """rendered("avion-auth", docs_language="en"): a service as `copier copy --defaults` without trust makes it.

    Only to be read: each set of answers is rendered once in a session, whichever worker asks first.
    """

    def rendered(folder: str = "avion-auth", **answers: object) -> Path:
        assert set(answers) <= questions, f"no such question: {set(answers) - questions}"

        def render(parent: Path) -> None:
            run_copy(str(template), parent / folder, data=answers, defaults=True, unsafe=False, quiet=True)
            (parent / "state.json").write_text(json.dumps(state(parent / folder)))

        parent = once(shared, ["rendered", folder, answers], render)
        before = json.loads((parent / "state.json").read_text())
        assert state(parent / folder) == before, "a test wrote into what others only read: let it use generate"
        return parent / folder

    return rendered


def state(folder: Path) -> dict[str, list[int]]:
    """The size of each file below, and when it was written last."""
    files = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: [file.st_size, file.st_mtime_ns] for name, file in files.items()}


def _generate(rendered, tmp_path_factory) -> Iterator[Callable[..., Path]]:
    """generate("avion-auth", docs_language="en"): such a service of the test's own, or of its module's.

    It ends with the test or the module, because there are hundreds.
    """
    folders = []

    def generate(folder: str = "avion-auth", **answers: object) -> Path:
        folders.append(tmp_path_factory.mktemp("services"))
        return shutil.copytree(rendered(folder, **answers), folders[-1] / folder)

    yield generate
    for folder in folders:
        shutil.rmtree(folder)


generate = pytest.fixture(name="generate")(_generate)
generate_for_module = pytest.fixture(name="generate_for_module", scope="module")(_generate)


@pytest.fixture
def refused(sources, questions, tmp_path_factory) -> Callable[..., str]:
    """refused("avion-auth", prefix="-"): the sentence with which Copier refuses the answers."""

    def refused(folder: str, **answers: object) -> str:
        assert set(answers) <= questions, f"no such question: {set(answers) - questions}"
        service = tmp_path_factory.mktemp("refused") / folder
        with pytest.raises(ValueError) as error:
            run_copy(str(sources), service, data=answers, defaults=True, unsafe=False, quiet=True, exclude=["**"])
        return str(error.value).partition("Validation error for question ")[2].partition(": ")[2] or str(error.value)

    return refused


@pytest.fixture(scope="session")
def copier_cli(template, tmp_path_factory) -> Callable:
    """copier_cli(["copy", "gh:org/avion-migration-template", "avion-auth"], cwd=folder): Copier's own command."""
    variables = git_configuration(tmp_path_factory.mktemp("git") / "config", template)

    def copier_cli(arguments: list[str], cwd: Path, **options):
        return command.run("copier", *arguments, cwd=cwd, env=variables, **options)

    return copier_cli


@pytest.fixture(scope="session")
def engine(rendered, shared) -> Path:
    """The engine's program `migrate` and beside it `migrate-dev`, built once from this work tree, in a generated service."""

    def build(folder: Path) -> None:
        service = shutil.copytree(rendered(), folder / "avion-auth")
        built = command.run(
            *("sh", "tools/migrate/build.sh", "migrate", "migrate-dev"),
            cwd=service,
            env={"MIGRATE_ENGINE": str(ROOT)},
            timeout=600,
        )
        assert built.returncode == 0, built.stderr
        for program in (ENGINE, DEV):
            os.utime(service / program)

    return once(shared, ["engine"], build) / "avion-auth" / ENGINE


def put_engine(engine: Path, service: Path) -> None:
    """Puts the built programs where a service has them, as links: they are forty megabytes, and services come by the hundred."""
    place = (service / ENGINE).parent
    # First of all: the age of a link is that of every service's program.
    shutil.rmtree(place, ignore_errors=True)
    # Older than the programs, or make builds those again.
    for source in place.parent.rglob("*"):
        os.utime(source, (0, 0))
    shutil.copytree(engine.parent, place, copy_function=os.link)


@pytest.fixture(scope="session")
def runners(engine, postgres_server, tmp_path_factory) -> Actions:
    """runners.run(repository, event): what GitHub's runners would do."""
    return Actions(tmp_path_factory.mktemp("runners"), functools.partial(put_engine, engine), postgres_server)


@pytest.fixture
def service(generate, engine) -> Callable[..., Path]:
    """service("avion-auth"): a generated service whose engine is built already."""

    def service(folder: str = "avion-auth", **answers: object) -> Path:
        generated = generate(folder, **answers)
        put_engine(engine, generated)
        return generated

    return service


@pytest.fixture(scope="session")
def committed(copier_cli, engine, git, shared, tmp_path_factory) -> Callable[..., Path]:
    """committed("docs_language=en"): a service as the README's commands make it, its engine built, committed."""

    def committed(*answers: str, folder: str = ".") -> Path:
        def commit(parent: Path) -> None:
            repository = parent / "avion-auth"
            service = repository / folder
            service.mkdir(parents=True)
            data = [f"--data={answer}" for answer in answers]
            copied = copier_cli([*COPY[1:], *data, service], cwd=repository)
            assert copied.returncode == 0, copied.stderr
            git("init", "--quiet", "--initial-branch=main", cwd=repository)
            git("add", "--all", cwd=repository)
            git("commit", "--quiet", "--message=Generate", cwd=repository)

        made = once(shared, ["committed", folder, answers], commit)
        copy = tmp_path_factory.mktemp("committed") / "avion-auth"
        service = shutil.copytree(made / "avion-auth", copy) / folder
        put_engine(engine, service)
        return service

    return committed


@pytest.fixture(scope="session")
def promtool(run) -> Callable:
    """promtool(service): what `make migrate-alerts-test` says."""
    path = f"{install.promtool()}:{install.search_path()}"

    def promtool(service: Path, target: str = "migrate-alerts-test"):
        return run("make", "-f", "migrations.mk", target, cwd=service, env={"PATH": path})

    return promtool


def certificate_for(authority: trustme.CA, *names: str) -> Certificate:
    issued = authority.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return Certificate(chain=chain, key=issued.private_key_pem.bytes())


@pytest.fixture(scope="session")
def certificate_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(certificate_authority) -> Certificate:
    return certificate_for(certificate_authority, "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[..., Server]]:
    """postgres_server("16"): a server of that major version, started at its first use in this session."""
    servers: dict[tuple, Server] = {}
    with contextlib.ExitStack() as stack:

        def postgres_server(major: str | int = OLDEST, certificate: Certificate | None = None) -> Server:
            key = (str(major), certificate)
            if key not in servers:
                servers[key] = stack.enter_context(Server(str(major), certificate))
            return servers[key]

        yield postgres_server


@pytest.fixture(scope="session")
def servers(postgres_server, certificate_authority, certificate) -> dict[str, Server]:
    """One server for each kind of certificate, and one without any."""
    return {
        "right": postgres_server(certificate=certificate),
        "wrong name": postgres_server(certificate=certificate_for(certificate_authority, "db.example")),
        "unknown authority": postgres_server(certificate=certificate_for(trustme.CA(), "localhost", "127.0.0.1")),
        "none": postgres_server(),
    }


@pytest.fixture
def postgres(request, postgres_server) -> Server:
    """A server; `@both_ends` and `@every_major` say of which major versions."""
    return postgres_server(getattr(request, "param", OLDEST))


@pytest.fixture
def create_database(postgres) -> Iterator[Callable[..., Database]]:
    """create_database("avion_user"): an empty database avion_user_db that the role avion_user owns."""
    with contextlib.ExitStack() as stack:

        def create_database(identifier: str, server: Server = postgres) -> Database:
            database = Database(server, f"{identifier}_db", identifier)
            names = (database["DB_NAME"], database["DB_USER"])
            server.create_database(*names, database["DB_PASSWORD"])
            stack.callback(server.drop_database, *names)
            return database

        yield create_database


@pytest.fixture
def database(create_database) -> Database:
    """The database of avion-auth, empty."""
    return create_database("avion_auth")


@pytest.fixture
def without_squawk(tmp_path) -> str:
    """A PATH on which everything is but squawk and uv."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if os.access(folder, os.R_OK | os.X_OK)]
    for folder in reversed(folders):
        for program in folder.iterdir():
            link = tmp_path / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    for name in ("squawk", "uv"):
        (tmp_path / name).unlink(missing_ok=True)
    # A symbolic link would lead Python away from its environment.
    (tmp_path / "python3").unlink(missing_ok=True)
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec "{VENV}/bin/python3" "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    return str(tmp_path)
