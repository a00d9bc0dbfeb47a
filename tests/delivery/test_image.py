"""The migration image holds a static engine and the SQL, and runs for a user who may do nothing else."""

import dataclasses
import itertools
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.toolchain import container, image
from dev.toolchain.image import Stage
from tests.commands import documented
from tests.conftest import Database, once
from tests.delivery.test_compose import config, dotenv

# An image has at most 16 MB; its base has 2.
LARGEST_ENGINE = 14_000_000
LARGEST_CONTEXT = 1_000_000
DOCKERFILE = "migrations.Dockerfile"


@pytest.fixture(scope="module")
def built(shared, engine, tmp_path_factory) -> Path:
    """The engine as the image's build stage makes it."""

    def build(folder: Path) -> None:
        stage = image.build(engine.parents[3] / DOCKERFILE, tmp_path_factory.mktemp("image"))
        shutil.copy(stage.path("/usr/local/bin/migrate"), folder)

    return once(shared, ["image"], build) / "migrate"


@pytest.fixture
def build(built, tmp_path_factory) -> Callable[..., Stage]:
    """build(service): its image, for which the engine need not be built again."""

    def build(service: Path, **arguments: str) -> Stage:
        return image.build(service / DOCKERFILE, tmp_path_factory.mktemp("image"), built, **arguments)

    return build


def test_base_images_are_pinned(generate):
    defaults = dict(
        arguments.split("=", 1)
        for name, arguments in image.instructions(generate() / DOCKERFILE)
        if name == "ARG" and "_IMAGE=" in arguments
    )
    assert set(defaults) == {"GO_IMAGE", "RUNTIME_IMAGE"}
    for base in defaults.values():
        assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", base)


def test_engine_is_the_process_and_belongs_to_a_numbered_user_that_is_not_root(generate, build):
    stage = build(generate())
    assert (stage.user, stage.entrypoint, stage.command) == ("65532:65532", ["/usr/local/bin/migrate"], ["up"])


def test_labels_say_what_the_build_was_told_and_invent_nothing(generate, build):
    stage = build(generate(), VERSION="1.2.3", REVISION="0123abc")
    assert stage.labels == {
        "org.opencontainers.image.title": "avion-auth-migration",
        "org.opencontainers.image.description": "Runs the PostgreSQL migrations of avion-auth",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": "0123abc",
        "org.opencontainers.image.base.name": stage.base,
    }
    assert stage.base.startswith("gcr.io/distroless/static-debian13:nonroot@sha256:")
    untold = build(generate()).labels
    assert {untold[f"org.opencontainers.image.{name}"] for name in ("version", "revision")} == {"unknown"}


def test_documented_builds_name_what_there_is(generate):
    generated = generate(image="registry.example/team/auth")
    arguments = [words for name, words in image.instructions(generated / DOCKERFILE) if name == "ARG"]
    known = {argument.partition("=")[0] for argument in arguments}
    builds = documented(generated, "docker", "build") + documented(generated, "docker", "buildx", "build")
    assert len(builds) == 2
    for words in builds:
        pairs = list(itertools.pairwise(words))
        options = dict(pairs)
        given = [value.partition("=")[0] for option, value in pairs if option == "--build-arg"]
        assert given == ["VERSION", "REVISION"]
        assert set(given) <= known
        assert (generated / options["--file"]).exists()
        assert options["--tag"] == "registry.example/team/auth:${VERSION}"
        assert words[-1] == "."


def test_build_context_is_small_and_holds_no_secret(service, git):
    generated = service()
    (generated / ".env").write_text("DB_PASSWORD=secret\n")
    git("init", "--quiet", cwd=generated)
    files = [file.relative_to(generated) for file in image.context(generated / DOCKERFILE)]
    roots = {"/".join(file.parts[: 2 if file.parts[0] == "tools" else 1]) for file in files}
    assert roots == {".goose.yml", "migrations", "tools/migrate"}
    assert sum((generated / file).stat().st_size for file in files) < LARGEST_CONTEXT


def test_image_holds_the_engine_and_the_sql_only(generate, build):
    generated = generate()
    (generated / "migrations/00001_init_schema.sql").chmod(0o600)
    stage = build(generated)
    files = {file.relative_to(stage.root).as_posix(): file for file in stage.root.rglob("*") if file.is_file()}
    assert set(files) - {"app/migrations/.gitkeep"} == {
        "app/.goose.yml",
        "app/migrations/00001_init_schema.sql",
        "usr/local/bin/migrate",
    }
    for file in files.values():
        assert file.stat().st_mode & 0o044 == 0o044


def test_engine_is_small_static_and_says_what_it_is_made_of(built, run):
    assert built.stat().st_size < LARGEST_ENGINE
    # A dynamic program names its loader.
    assert b"/ld-linux" not in built.read_bytes()
    modules = run("go", "version", "-m", built, cwd=built.parent).stdout
    for name in ("github.com/pressly/goose/v3", "github.com/jackc/pgx/v5"):
        assert re.search(rf"dep\t{name}\tv\d", modules)


@pytest.mark.parametrize("platform", ["linux/amd64", pytest.param("linux/arm64", marks=pytest.mark.slow)])
def test_engine_is_built_for_the_platform_of_the_image(generate, run, tmp_path, platform):
    system, architecture = platform.split("/")
    dockerfile = generate() / DOCKERFILE
    assert "FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build" in dockerfile.read_text()
    stage = image.build(dockerfile, tmp_path, TARGETPLATFORM=platform)
    built = run("go", "version", "-m", stage.path("/usr/local/bin/migrate"), cwd=tmp_path).stdout
    settings = dict(re.findall(r"^\tbuild\t(GOOS|GOARCH|CGO_ENABLED)=(.*)$", built, re.MULTILINE))
    assert settings == {"GOOS": system, "GOARCH": architecture, "CGO_ENABLED": "0"}


class Containers:
    """Starts containers that know the way to a database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def start(self, stage: Stage, *arguments: str, mounts: dict[Path, str] | None = None, **variables: str):
        environment = {"ENVIRONMENT": "test", **self.database, **variables}
        return container.start(stage, *arguments, environment=environment, mounts=mounts)

    def run(self, stage: Stage, *arguments: str, **options) -> tuple[int, str]:
        """The exit code, and what was written to stderr."""
        started = self.start(stage, *arguments, **options)
        _, said = started.communicate(timeout=120)
        return started.returncode, said


@pytest.fixture
def containers(database) -> Containers:
    if reason := container.missing():
        pytest.skip(f"this machine runs no containers: {reason}")
    return Containers(database)


@pytest.fixture
def probe() -> Stage:
    """An image made of this machine's own files, in which there is a shell to look around with."""
    return Stage(Path("/"), "", {}, user="65532:65532", entrypoint=["/bin/sh", "-c"])


def test_a_container_is_one(containers, probe):
    looked = containers.start(probe, "echo $$; id -u; id -g; grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status")
    seen, _ = looked.communicate(timeout=60)
    pid, uid, gid, *rights = seen.split("\n")
    assert (pid, uid, gid) == ("1", "65532", "65532")
    assert [line.split("\t")[1] for line in rights if line] == ["0" * 16, "0" * 16, "0" * 16, "1"]
    code, said = containers.run(probe, "touch /tmp/avion-container")
    assert code
    assert "Read-only file system" in said


def test_a_program_that_asks_for_no_signal_gets_none(containers, probe):
    sleeping = containers.start(dataclasses.replace(probe, entrypoint=["/bin/sleep"]), "60")
    time.sleep(1)
    sleeping.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert sleeping.poll() is None
    sleeping.kill()
    sleeping.communicate(timeout=60)


class Images:
    """A service and the images that are built of it as it changes."""

    def __init__(self, folder: Path, build: Callable[..., Stage]) -> None:
        self.folder, self._build = folder, build

    def build(self, **migrations: str) -> Stage:
        """With these migrations besides or instead, by the name between number and suffix; each is a statement."""
        for name, statement in migrations.items():
            (existing,) = list((self.folder / "migrations").glob(f"*_{name}.sql")) or [
                self.folder / f"migrations/00100_{name}.sql"
            ]
            existing.write_text(f"-- +goose Up\n{statement};\n-- +goose Down\nSELECT 1;\n")
        return self._build(self.folder)


@pytest.fixture
def images(generate, build) -> Images:
    return Images(generate(), build)


def test_every_exit_code_comes_through(containers, images):
    release = images.build()
    assert containers.run(release, "status", "--exit-code")[0] == 2
    assert containers.run(release)[0] == 0
    assert containers.database.value("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_metadata'") == 1
    assert containers.run(release, "status", "--exit-code")[0] == 0
    assert containers.run(release, ENVIRONMENT="moon")[0] == 1
    assert containers.run(release, DB_PORT="1", MIGRATION_CONNECT_TIMEOUT="1")[0] == 4
    broken = images.build(broken="SELECT 1 / 0")
    assert containers.run(broken)[0] == 3
    edited = images.build(init_schema="SELECT 1")
    assert containers.run(edited)[0] == 5


def test_two_containers_take_turns_and_the_first_stops_when_told(containers, images):
    slow = images.build(slow="CREATE TABLE half (id int); SELECT pg_sleep(60)")
    first = containers.start(slow)
    patience = time.monotonic() + 60
    while not containers.database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    ):
        assert time.monotonic() < patience
        time.sleep(0.1)
    assert containers.run(slow, MIGRATION_LOCK_TIMEOUT="1")[0] == 75
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=20)
    assert (first.returncode, "was interrupted" in said) == (3, True), said
    assert containers.database.value("SELECT to_regclass('half') IS NULL")


def test_what_writes_files_is_not_there(containers, images):
    code, said = containers.run(images.build(), "create", "--", "add_column")
    assert code == 1
    assert "create is a command of migrate-dev" in said


@pytest.mark.parametrize(("automatic", "applied"), [("false", 0), ("true", 1)])
def test_compose_migrates_with_the_secret_and_only_if_told_to(containers, images, build, tmp_path, automatic, applied):
    dotenv(images.folder, MIGRATION_AUTO_RUN=automatic, DB_PASSWORD=f"'{containers.database['DB_PASSWORD']}'")
    resolved = config(images.folder)
    migrate = resolved["project"]["services"]["migrate"]
    stage = images.build()
    mounts = {Path(volume["source"]): volume["target"] for volume in migrate["volumes"]}
    # A runtime makes what it mounts on.
    stage.path("migrations-seed").mkdir()
    # Compose copies the secret, as it stands in the variable that the secret names.
    (secret,) = resolved["project"]["secrets"].values()
    file = stage.path(migrate["secrets"][0]["target"])
    file.parent.mkdir(parents=True)
    file.write_text(resolved["environment"][secret["environment"]])
    address = {name: containers.database[name] for name in ("DB_HOST", "DB_PORT")}
    started = container.start(stage, *migrate["command"], environment=migrate["environment"] | address, mounts=mounts)
    _, said = started.communicate(timeout=120)
    assert started.returncode == 0, said
    assert containers.database.value("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_metadata'") == applied
