"""The workflow of a service: what it promises, and what its steps do to good and bad migrations on a real server."""

import re
from pathlib import Path

import pytest
import yaml

MANUAL = ["Run migrations up", "Validate schema", "Test rollback", "Run seed data"]


def workflow(service: Path) -> dict:
    (file,) = service.glob(".github/workflows/*.yml")
    # BaseLoader keeps `on` a word.
    return yaml.load(file.read_text(), Loader=yaml.BaseLoader)


def job(service: Path) -> dict:
    return workflow(service)["jobs"]["test-migration"]


@pytest.fixture
def first_failure(run, database):
    """first_failure(service): runs the steps as the workflow would; the name of the first that fails, or None."""

    def first_failure(service: Path, *, only: str | None = None) -> str | None:
        definition = job(service)
        for step in definition["steps"]:
            if "run" in step and only in (None, step["name"]):
                environment = {**definition["env"], **step.get("env", {}), **database}
                result = run("bash", "-e", "-c", step["run"], cwd=service, env=environment)
                if result.returncode:
                    return step["name"]
        return None

    return first_failure


def write(service: Path, name: str, up: str, down: str) -> None:
    file = service / "migrations" / name
    file.write_text(f"-- +goose Up\n{up}\n\n-- +goose Down\n{down}\n")


def test_name_triggers_and_steps_are_those_of_the_manual(generate):
    definition = workflow(generate())
    assert definition["name"] == "avion-auth Database Migration"
    assert definition["on"]["push"] == {"branches": ["main", "develop"]}
    assert [
        step["name"] for step in definition["jobs"]["test-migration"]["steps"] if step.get("name") in MANUAL
    ] == MANUAL


def test_file_is_named_after_the_service(generate):
    assert (generate(service_name="system-admin") / ".github/workflows/system-admin-migration.yml").is_file()


def test_service_inside_a_monorepo_has_no_workflow_of_its_own(generate):
    assert not (generate(layout="monorepo-service") / ".github").exists()


def test_it_runs_whatever_has_changed(generate):
    for trigger in workflow(generate())["on"].values():
        assert "paths" not in (trigger or {})


@pytest.mark.parametrize("version", ["15", "16", "17", "18"])
def test_database_is_the_one_of_the_manual_in_the_version_that_compose_runs(generate, version):
    service = generate(postgres_version=version)
    postgres, environment = job(service)["services"]["postgres"], job(service)["env"]
    compose = yaml.safe_load((service / "compose.migrations.yaml").read_text())
    assert postgres["image"] == compose["services"]["postgres"]["image"]
    assert postgres["env"] == {
        "POSTGRES_DB": "avion_auth_test",
        "POSTGRES_USER": "test_user",
        "POSTGRES_PASSWORD": "test_pass",
    }
    assert environment == {
        "ENVIRONMENT": "test",
        "DB_HOST": "localhost",
        "DB_PORT": "5432",
        "DB_NAME": "avion_auth_test",
        "DB_USER": "test_user",
        "DB_PASSWORD": "test_pass",
        "DB_SSL_MODE": "disable",
    }
    assert "--host=127.0.0.1" in postgres["options"]


def test_gate_reports_always_and_knows_every_job(generate):
    jobs = workflow(generate())["jobs"]
    gate = jobs.pop("gate")
    assert gate["if"] == "always()"
    assert set(gate["needs"]) == set(jobs)
    assert [step["if"] for step in gate["steps"]] == ["needs.test-migration.result != 'success'"]


def test_every_job_ends_and_may_only_read(generate):
    definition = workflow(generate())
    assert definition["permissions"] == {}
    for one in definition["jobs"].values():
        assert int(one["timeout-minutes"]) <= 15
        assert one["permissions"] in ({}, {"contents": "read"})


def test_no_expression_reaches_a_shell(generate):
    for step in job(generate())["steps"]:
        assert "${{" not in step.get("run", "")


def test_go_satisfies_the_engine(generate):
    service = generate()
    (setup,) = [step["with"]["go-version"] for step in job(service)["steps"] if "setup-go" in step.get("uses", "")]
    (needed,) = re.findall(r"^go (\S+)$", (service / "tools/migrate/go.mod").read_text(), re.MULTILINE)
    assert tuple(map(int, setup.split("."))) >= tuple(map(int, needed.split(".")))


def test_generated_service_passes(service, first_failure):
    assert first_failure(service()) is None


def test_empty_database_is_no_valid_schema(service, first_failure):
    assert first_failure(service(), only="Validate schema") == "Validate schema"


@pytest.mark.parametrize(
    ("up", "down", "step"),
    [
        ("CREATE TABLE broken (id no_such_type);", "DROP TABLE broken;", "Run migrations up"),
        ("CREATE TABLE kept (id bigint);", "DROP TABLE never_there;", "Test rollback"),
        ("CREATE TABLE kept (id bigint);", "SELECT 1;", "Test rollback"),
        ("CREATE TABLE IF NOT EXISTS kept (id bigint);", "SELECT 1;", "Check each migration"),
    ],
    ids=["broken SQL", "broken Down", "Down that does nothing", "Down that nobody misses"],
)
def test_bad_migration_stops_at_the_step_that_is_there_for_it(service, first_failure, up, down, step):
    generated = service()
    write(generated, "00002_bad.sql", up, down)
    assert first_failure(generated) == step


def test_migration_without_down_stops_before_it_runs(service, first_failure, database):
    generated = service()
    (generated / "migrations" / "00002_bad.sql").write_text("-- +goose Up\nSELECT 1;\n")
    assert first_failure(generated) == "Validate migration files"
    assert database.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_broken_seed_stops_at_the_seed(service, first_failure):
    generated = service()
    seed = "-- +goose Up\nINSERT INTO never_there VALUES (1);\n\n-- +goose Down\nSELECT 1;\n"
    (generated / "migrations-seed" / "00002_bad.sql").write_text(seed)
    assert first_failure(generated) == "Run seed data"
