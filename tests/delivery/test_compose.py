"""Compose, by its own code, makes of the generated files: PostgreSQL, then the migrations once, then the service."""

import json
import re
import shutil
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml
from dotenv import dotenv_values

from dev.toolchain.command import run
from dev.toolchain.install import compose
from tests.amounts import others_slow
from tests.commands import documented
from tests.covering import COVERING
from tests.passwords import HOSTILE

MIGRATIONS, WHOLE = FILES = ("compose.migrations.yaml", "docker-compose.yml")
ENGINE = "tools/migrate/bin/migrate"
PASSWORD = "only in the secret"


def resolve(folder: Path, file: str, **environment: str):
    return run(compose(), file, cwd=folder, env=environment)


def config(folder: Path, file: str = WHOLE, **environment: str) -> dict:
    """What Compose makes of a file; it has nothing to warn of."""
    resolved = resolve(folder, file, **environment)
    assert (resolved.returncode, resolved.stderr) == (0, "")
    return json.loads(resolved.stdout)


def dotenv(folder: Path, **changes: str) -> dict[str, str]:
    """Makes .env of .env.example, as people do, with other values in some lines."""
    values = dotenv_values(folder / ".env.example") | changes
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return values


def conditions(container: dict) -> dict[str, str]:
    return {name: needed["condition"] for name, needed in container["depends_on"].items()}


@pytest.fixture(
    scope="module",
    params=others_slow(COVERING, 2),
    ids=lambda answers: "-".join(answers[name] for name in ("layout", "postgres_version", "service_name")),
)
def answered(request, rendered, tmp_path_factory) -> tuple[Path, dict, dict]:
    """A service with its .env, the answers that it was generated from, and the values in .env."""
    folder = shutil.copytree(rendered(**request.param), tmp_path_factory.mktemp("composed") / "service")
    values = dotenv(folder, DB_PASSWORD=f"'{PASSWORD}'")
    return folder, request.param, values


def test_whatever_the_answers_everything_starts_in_order_and_out_of_sight(answered):
    folder, answers, values = answered
    service = f"{answers['prefix']}-{answers['service_name']}"
    # Of several services in one root compose file each has names of its own.
    own = f"{service}-" if answers["layout"] == "monorepo-service" else ""
    password, data = f"{own}db_password", f"{own}postgres_data"
    projects = {file: config(folder, file)["project"] for file in FILES}
    for project in projects.values():
        postgres, migrate = (project["services"][own + name] for name in ("postgres", "migrate"))
        image, digest = postgres["image"].split("@")
        assert re.fullmatch(rf"postgres:{answers['postgres_version']}\.\d+", image)  # not Alpine
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        assert [(port["host_ip"], port["published"], port["target"]) for port in postgres["ports"]] == [
            ("127.0.0.1", values["DB_PORT"], 5432)
        ]
        place = "/var/lib/postgresql" if int(answers["postgres_version"]) >= 18 else "/var/lib/postgresql/data"
        assert [(volume["source"], volume["target"]) for volume in postgres["volumes"]] == [(data, place)]
        assert data in project["volumes"]
        assert conditions(migrate) == {f"{own}postgres": "service_healthy"}
        assert (migrate["restart"], migrate["cap_drop"]) == ("no", ["ALL"])
        assert project["secrets"][password]["environment"] == "DB_PASSWORD"
        assert (
            postgres["environment"]["POSTGRES_PASSWORD_FILE"]
            == migrate["environment"]["DB_PASSWORD_FILE"]
            == f"/run/secrets/{password}"
        )
        for container in (postgres, migrate):
            assert [secret["target"] for secret in container["secrets"]] == [f"/run/secrets/{password}"]
    assert PASSWORD not in json.dumps(projects[MIGRATIONS])
    names = ["postgres", "migrate", *(["redis", "redis-sync"] if "redis_sync" in answers["considerations"] else [])]
    expected = {own + name for name in names}
    assert set(projects[MIGRATIONS]["services"]) == expected
    assert set(projects[WHOLE]["services"]) == {*expected, service}
    assert conditions(projects[WHOLE]["services"][service]) == {
        f"{own}postgres": "service_healthy",
        f"{own}migrate": "service_completed_successfully",
    }


@pytest.fixture(scope="module")
def folder(engine, tmp_path_factory) -> Path:
    """A service with its .env and its engine; a test that changes a file takes a copy."""
    folder = tmp_path_factory.mktemp("composed") / "avion-auth"
    shutil.copytree(engine.parents[3], folder)
    dotenv(folder)
    return folder


def test_containers_agree_on_database_and_user(folder):
    services = config(folder, DB_NAME="other_db", DB_USER="other", DB_PORT="5433")["project"]["services"]
    postgres, migrate, service = (services[name] for name in ("postgres", "migrate", "avion-auth"))
    assert (postgres["environment"]["POSTGRES_DB"], postgres["environment"]["POSTGRES_USER"]) == ("other_db", "other")
    assert postgres["ports"][0]["published"] == "5433"
    for container in (migrate, service):
        there = {name: container["environment"][f"DB_{name}"] for name in ("HOST", "PORT", "NAME", "USER")}
        assert there == {"HOST": "postgres", "PORT": "5432", "NAME": "other_db", "USER": "other"}


def test_defaults_are_those_of_env_example(generate):
    bare = generate(migration_timeout=77)
    without = config(bare, DB_PASSWORD="changeme")["project"]
    dotenv(bare)
    assert config(bare)["project"] == without


@pytest.mark.parametrize("file", FILES)
def test_every_variable_is_in_env_example(folder, file):
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (folder / file).read_text()))
    assert used
    assert used <= set(dotenv(folder))


def test_healthcheck_asks_over_tcp_for_the_database_of_the_service(folder):
    kind, command = config(folder)["project"]["services"]["postgres"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert "--host=127.0.0.1" in command
    assert '--username="$POSTGRES_USER" --dbname="$POSTGRES_DB"' in command


def test_service_receives_the_signals_that_stop_it(folder):
    service = config(folder)["project"]["services"]["avion-auth"]
    assert service["init"] is True
    assert service["command"] is None


def test_new_sql_needs_no_new_image(folder):
    volumes = config(folder)["project"]["services"]["migrate"]["volumes"]
    assert {volume["target"] for volume in volumes} == {"/app/.goose.yml", "/app/migrations", "/app/migrations-seed"}
    for volume in volumes:
        assert volume["read_only"]
        assert Path(volume["source"]).exists()


def test_selinux_permits_containers_what_is_mounted_into_them(folder):
    volumes = config(folder)["project"]["services"]["migrate"]["volumes"]
    assert [volume["bind"].get("selinux") for volume in volumes] == ["z"] * 3
    # Compose leaves out what belongs to a profile.
    (whole,) = yaml.safe_load((folder / MIGRATIONS).read_text())["services"]["migrate-dev"]["volumes"]
    assert whole == ".:/app:z"


READERS = {
    "a shell": "set -a; . ./.env; env -0",
    "make": "printf 'include .env\\nexport\\nshow:\\n\\t@env -0\\n' | make -s -f - show",
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_everyone_reads_the_same_in_env_example(folder, tmp_path, reader):
    """What Compose makes of it is what a shell that sources it has, and a Makefile that includes it."""
    shutil.copy(folder / ".env.example", tmp_path / ".env")
    (tmp_path / "compose.yaml").write_text("services: {one: {image: scratch, env_file: .env}}\n")
    composed = config(tmp_path, "compose.yaml")["project"]["services"]["one"]["environment"]
    assert composed["PGOPTIONS"] == "-ccustom.environment=development"
    read = run("sh", "-c", reader, cwd=tmp_path)
    assert (read.returncode, read.stderr) == (0, "")
    variables = dict(entry.split("=", 1) for entry in read.stdout.split("\0") if "=" in entry)
    assert {name: variables.get(name) for name in composed} == composed


@pytest.mark.parametrize("file", FILES)
def test_looking_needs_no_password_and_starting_does(folder, tmp_path, file):
    """`docker compose config`, `ps`, `logs` and `down` read the files, and no more. What is started gets a secret, and
    Compose creates no container whose secret comes from a variable that is not set.
    """
    bare = shutil.copytree(folder, tmp_path / "avion-auth")
    (bare / ".env").unlink()
    made = config(bare, file)
    assert "DB_PASSWORD" not in made["environment"]
    for name in ("postgres", "migrate"):
        assert made["project"]["services"][name]["secrets"][0]["source"] == "db_password"
    assert made["project"]["secrets"] == {"db_password": {"name": ANY, "environment": "DB_PASSWORD"}}
    # The service itself waits for both.
    assert conditions(config(bare)["project"]["services"]["avion-auth"]).keys() == {"postgres", "migrate"}


@pytest.fixture
def monorepo(rendered, tmp_path) -> Path:
    """The root of a monorepo whose compose file includes three services."""
    names = ("avion-auth", "avion-user", "avion-timeline")
    for name in names:
        shutil.copytree(rendered(name, layout="monorepo-service"), tmp_path / name)
        dotenv(tmp_path / name, DB_PASSWORD=f"of-{name}")
    include = [f"{name}/docker-compose.yml" for name in names]
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({"include": include}))
    return tmp_path


def test_several_services_of_a_monorepo_share_a_compose_file(monorepo):
    made = config(monorepo, "compose.yaml")["project"]
    names = {"avion-auth", "avion-user", "avion-timeline"}
    parts = {f"{name}-{part}" for name in names for part in ("postgres", "migrate")}
    assert {*made["services"]} == names | parts | {"avion-timeline-redis", "avion-timeline-redis-sync"}
    assert {*made["volumes"]} == {f"{name}-postgres_data" for name in names}
    ports = [port["published"] for service in made["services"].values() for port in service.get("ports", [])]
    assert len(set(ports)) == len(ports) == 4
    for name in names:
        migrate = made["services"][f"{name}-migrate"]
        assert migrate["environment"]["DB_HOST"] == f"{name}-postgres"
        assert conditions(migrate) == {f"{name}-postgres": "service_healthy"}
        # Each has the password of its own .env.
        assert made["secrets"][f"{name}-db_password"]["environment"] == "DB_PASSWORD"


def test_services_of_the_same_name_would_be_taken_for_one(monorepo):
    """Compose says nothing about it, which is why the names differ."""
    for file in FILES:
        text = (monorepo / "avion-user" / file).read_text()
        (monorepo / "avion-user" / file).write_text(text.replace("avion-user-", "avion-auth-"))
    services = config(monorepo, "compose.yaml")["project"]["services"]
    assert conditions(services["avion-user"]) == conditions(services["avion-auth"])
    assert "avion-user-migrate" not in services


THEIRS = """\
include: [compose.migrations.yaml]
services:
  db:
    image: postgres:16
    environment: {POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${DB_PASSWORD:-}"}
volumes: {postgres_data: {}}
"""


@pytest.mark.parametrize("layout", ["repository", "monorepo-service"])
def test_the_server_that_is_there_is_used(rendered, tmp_path, layout):
    answers = {"compose_server": "db", "database_name": "app", "database_user": "app", "considerations": ["redis_sync"]}
    folder = shutil.copytree(rendered(layout=layout, **answers), tmp_path / "avion-auth")
    (folder / "docker-compose.yml").unlink()
    (folder / "compose.yaml").write_text(THEIRS)
    dotenv(folder)
    services = config(folder, "compose.yaml")["project"]["services"]
    own = "avion-auth-" if layout == "monorepo-service" else ""
    assert services.keys() == {"db", *(own + name for name in ("migrate", "redis", "redis-sync"))}
    for name in ("migrate", "redis-sync"):
        container = services[own + name]
        there = {name: container["environment"][f"DB_{name}"] for name in ("HOST", "PORT", "NAME", "USER")}
        assert there == {"HOST": "db", "PORT": "5432", "NAME": "app", "USER": "app"}
        assert conditions(container)["db"] == "service_started"
        assert container["environment"]["MIGRATION_CONNECT_TIMEOUT"] == "60"
    goose = yaml.safe_load((folder / ".goose.yml").read_text())
    assert goose["environments"]["development"]["plaintext_hosts"] == ["db"]


def test_sql_is_mounted_from_the_folder_that_was_answered(rendered, tmp_path):
    folder = shutil.copytree(rendered(migrations_dir="db/migrations"), tmp_path / "avion-auth")
    dotenv(folder)
    volumes = config(folder)["project"]["services"]["migrate"]["volumes"]
    assert {volume["target"] for volume in volumes} == {"/app/.goose.yml", "/app/db/migrations", "/app/migrations-seed"}
    assert all(Path(volume["source"]).exists() for volume in volumes)


@pytest.mark.parametrize(
    ("file", "good", "bad"),
    [
        (MIGRATIONS, "condition: service_healthy", "condition: service_well"),
        (MIGRATIONS, "    secrets: [db_password]", "    secrets: [db_pasword]"),
        (MIGRATIONS, "    environment: DB_PASSWORD", "    environments: DB_PASSWORD"),
        (MIGRATIONS, "      - postgres_data:", "      - postgres_date:"),
        (MIGRATIONS, "start_interval: 1s", "start_interval: soon"),
        (MIGRATIONS, "${DB_USER:-", "${DB_USER:"),
        (MIGRATIONS, "services:\n", "version: '3'\nservices:\n"),
        (WHOLE, "compose.migrations.yaml", "compose.migration.yaml"),
        (WHOLE, "      migrate:", "      migrations:"),
    ],
)
def test_a_broken_file_is_found(folder, tmp_path, file, good, bad):
    broken = shutil.copytree(folder, tmp_path / "avion-auth")
    text = (broken / file).read_text()
    assert good in text
    (broken / file).write_text(text.replace(good, bad))
    with pytest.raises(AssertionError):
        config(broken)


# What a line of .env can hold, as .env.example says.
@pytest.mark.parametrize("password", [p for p in HOSTILE if "'" not in p and not p.endswith("\\")])
def test_password_reaches_the_containers_as_the_engine_reads_it(folder, database, tmp_path, password):
    dotenv(folder, DB_PASSWORD=f"'{password}'")
    secret = tmp_path / "db_password"
    secret.write_text(config(folder)["environment"]["DB_PASSWORD"])
    database.server.execute("ALTER ROLE avion_auth PASSWORD :'password'", password=secret.read_text())
    address = {name: value for name, value in database.items() if name != "DB_PASSWORD"}
    for way in ({"DB_PASSWORD_FILE": str(secret)}, {}):  # as in the container; from .env
        pinged = run(ENGINE, "ping", cwd=folder, env=address | way)
        assert pinged.returncode == 0, pinged.stderr


def test_documents_and_targets_run_what_there_is(folder):
    # Compose leaves out what belongs to a profile.
    services = {name for file in FILES for name in yaml.safe_load((folder / file).read_text())["services"]}
    commands = "".join(run(program, "--help", cwd=folder).stdout for program in (ENGINE, f"{ENGINE}-dev"))
    seen = set()
    for subcommand, *words in documented(folder, "docker", "compose", page="docs/how-to/compose.md"):
        named = [word for word in words if not word.startswith(("-", "$("))]
        seen.add(subcommand)
        assert named[:1] == [] or named[0] in services
        if subcommand == "run":
            assert {"--build", "--rm"} <= set(words)
            assert re.search(rf"^  {named[1]} ", commands, re.MULTILINE)
    assert {"up", "run", "down"} <= seen
