"""Compose starts PostgreSQL, migrates once, and only then starts the service."""

import re
from pathlib import Path

import pytest
import yaml

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<text>[^}]*))?\}")


def services(service: Path, file: str = "compose.migrations.yaml") -> dict[str, dict]:
    return yaml.safe_load((service / file).read_text())["services"]


def env_example(service: Path) -> dict[str, str]:
    lines = (service / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def interpolate(environment: dict[str, str], variables: dict[str, str]) -> dict[str, str]:
    def value(match: re.Match) -> str:
        return variables.get(match["name"]) or (match["text"] if match["operator"] == "-" else "")

    return {name: VARIABLE.sub(value, str(text)) for name, text in environment.items()}


@pytest.mark.parametrize("version", ["15", "16", "17", "18"])
def test_postgres_is_the_version_of_the_answer_pinned_and_on_debian(generate, version):
    image = services(generate(postgres_version=version))["postgres"]["image"]
    assert re.fullmatch(rf"postgres:{version}\.\d+@sha256:[0-9a-f]{{64}}", image)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("15", "/var/lib/postgresql/data"),
        ("16", "/var/lib/postgresql/data"),
        ("17", "/var/lib/postgresql/data"),
        ("18", "/var/lib/postgresql"),
    ],
)
def test_data_outlives_the_container(generate, version, path):
    service = generate(postgres_version=version)
    assert services(service)["postgres"]["volumes"] == [f"postgres_data:{path}"]
    assert "postgres_data" in yaml.safe_load((service / "compose.migrations.yaml").read_text())["volumes"]


def test_database_is_reachable_from_this_machine_only(generate):
    assert services(generate())["postgres"]["ports"] == ["127.0.0.1:${DB_PORT:-5432}:5432"]


def test_healthcheck_asks_over_tcp_for_the_database_of_the_service(generate):
    kind, command = services(generate())["postgres"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert "--host=127.0.0.1" in command
    assert '--username="$$POSTGRES_USER" --dbname="$$POSTGRES_DB"' in command


def test_service_starts_after_the_migration_has_ended_well(generate):
    generated = generate()
    assert yaml.safe_load((generated / "docker-compose.yml").read_text())["include"] == ["compose.migrations.yaml"]
    assert services(generated)["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services(generated, "docker-compose.yml")["avion-auth"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_service_receives_the_signals_that_stop_it(generate):
    service = services(generate(), "docker-compose.yml")["avion-auth"]
    assert service["init"] is True
    assert "command" not in service


@pytest.mark.parametrize("file", ["compose.migrations.yaml", "docker-compose.yml"])
def test_every_variable_is_in_env_example(generate, file):
    service = generate()
    used = {match["name"] for match in VARIABLE.finditer((service / file).read_text())}
    assert used <= set(env_example(service))


@pytest.mark.parametrize("file", ["compose.migrations.yaml", "docker-compose.yml"])
def test_password_has_no_default(generate, file):
    references = VARIABLE.finditer((generate() / file).read_text())
    assert {match["operator"] for match in references if match["name"] == "DB_PASSWORD"} == {"?"}


def test_defaults_are_those_of_env_example(generate):
    service = generate(migration_timeout=77)
    text = (service / "compose.migrations.yaml").read_text() + (service / "docker-compose.yml").read_text()
    defaults = {match["name"]: match["text"] for match in VARIABLE.finditer(text) if match["operator"] == "-"}
    assert defaults == {name: env_example(service)[name] for name in defaults}


def test_containers_agree_on_database_and_user(generate):
    generated = generate()
    postgres, migrate = (services(generated)[name]["environment"] for name in ("postgres", "migrate"))
    service = services(generated, "docker-compose.yml")["avion-auth"]["environment"]
    for name in ("NAME", "USER", "PASSWORD"):
        theirs = postgres[f"POSTGRES_{name.replace('NAME', 'DB')}"]
        assert theirs == migrate[f"DB_{name}"] == service[f"DB_{name}"]


def test_new_sql_needs_no_new_image(generate):
    service = generate()
    mounts = [volume.split(":") for volume in services(service)["migrate"]["volumes"]]
    assert {target for _, target, _ in mounts} == {"/app/.goose.yml", "/app/migrations", "/app/migrations-seed"}
    for source, _, mode in mounts:
        assert (service / source).exists()
        assert mode == "ro"


@pytest.mark.parametrize(("auto_run", "applied"), [("false", 0), ("true", 1)])
def test_migrate_runs_only_if_told_to(service, run, database, auto_run, applied):
    generated = service()
    migrate = services(generated)["migrate"]
    variables = env_example(generated) | {"MIGRATION_AUTO_RUN": auto_run}
    environment = interpolate(migrate["environment"], variables) | database
    result = run("tools/migrate/bin/migrate", *migrate["command"], cwd=generated, env=environment)
    assert result.returncode == 0, result.stderr
    assert database.value("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_metadata'") == applied
