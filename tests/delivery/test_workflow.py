"""The workflow of a service: what it promises, and what its steps do to good and bad branches on real servers."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.toolchain.published import COPY
from tests import actions
from tests.amounts import MAJORS, NEWEST

MANUAL = ["Run migrations up", "Validate schema", "Test rollback", "Run seed data"]


def workflow(service: Path) -> dict:
    (file,) = service.glob(".github/workflows/*.yml")
    return actions.read(file)


def job(service: Path) -> dict:
    return workflow(service)["jobs"]["test-migration"]


def test_name_triggers_and_steps_are_those_of_the_manual(generate):
    definition = workflow(generate())
    assert definition["name"] == "avion-auth Database Migration"
    assert definition["on"]["push"] == {"branches": ["main", "develop"]}
    # A required check that does not run in a merge queue stops the queue.
    assert set(definition["on"]) == {"push", "pull_request", "merge_group"}
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


@pytest.mark.parametrize("version", MAJORS)
def test_database_is_the_one_of_the_manual_in_the_version_of_compose_and_every_newer_one(generate, version):
    service = generate(postgres_version=version)
    postgres, environment = job(service)["services"]["postgres"], job(service)["env"]
    compose = yaml.safe_load((service / "compose.migrations.yaml").read_text())
    legs = job(service)["strategy"]["matrix"]["include"]
    assert postgres["image"] == "${{ matrix.image }}"
    assert legs[0]["image"] == compose["services"]["postgres"]["image"]
    assert [leg["postgres"] for leg in legs] == [major for major in MAJORS if int(major) >= int(version)]
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
    for one in workflow(generate())["jobs"].values():
        for step in one["steps"]:
            assert "${{" not in step.get("run", "")


def test_go_satisfies_the_engine(generate):
    service = generate()
    steps = workflow(service)["jobs"]["validate"]["steps"]
    (setup,) = [step["with"]["go-version"] for step in steps if "setup-go" in step.get("uses", "")]
    (needed,) = re.findall(r"^go (\S+)$", (service / "tools/migrate/go.mod").read_text(), re.MULTILINE)
    assert tuple(map(int, setup.split("."))) >= tuple(map(int, needed.split(".")))


ACCOUNTS = """\
-- +goose Up
CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, nick text);

-- +goose Down
DROP TABLE accounts;
"""
SESSIONS = """\
-- +goose Up
CREATE TABLE sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    seen_at timestamptz
);
ALTER TABLE accounts DROP COLUMN nick;

-- +goose Down
ALTER TABLE accounts ADD COLUMN nick text;
DROP TABLE IF EXISTS sessions;
"""
SEED = """\
-- +goose Up
INSERT INTO accounts (name) VALUES ('alice') ON CONFLICT DO NOTHING;

-- +goose Down
DELETE FROM accounts WHERE name = 'alice';
"""
INDEX = """\
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS sessions_seen_at;
CREATE INDEX CONCURRENTLY sessions_seen_at ON sessions (seen_at);

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS sessions_seen_at;
"""


def migration(up: str, down: str, name: str = "00300_new.sql") -> Callable[[Path], object]:
    return write(f"migrations/{name}", f"-- +goose Up\n{up}\n\n-- +goose Down\n{down}\n")


def write(file: str, content: str) -> Callable[[Path], object]:
    return lambda service: (service / file).write_text(content)


def replace(file: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(service: Path) -> None:
        text = (service / file).read_text()
        assert old in text
        (service / file).write_text(text.replace(old, new))

    return edit


def rename(file: str, new: str) -> Callable[[Path], object]:
    return lambda service: (service / file).rename(service / new)


def delete(file: str) -> Callable[[Path], object]:
    return lambda service: (service / file).unlink()


@pytest.fixture(scope="module")
def repository(copier_cli, tmp_path_factory) -> actions.Repository:
    """A service whose production verifies its server, with migrations that have been merged."""
    folder = tmp_path_factory.mktemp("repository")
    service = folder / "avion-auth"
    data = ["--data=production_ssl_mode=verify-full"]
    assert copier_cli([*COPY[1:], *data, "avion-auth"], cwd=folder).returncode == 0
    (service / "migrations/00100_create_accounts.sql").write_text(ACCOUNTS)
    (service / "migrations/00200_create_sessions.sql").write_text(SESSIONS)
    (service / "migrations-seed/00002_accounts.sql").write_text(SEED)
    return actions.Repository(folder, service)


@pytest.fixture
def run_workflow(runners, repository):
    """run_workflow(edit, …): what becomes of a pull request with these commits."""

    def run_workflow(*edits: Callable[[Path], object], majors: list[str] = MAJORS[:1]) -> actions.Outcome:
        return runners.run(repository, repository.pull_request(*edits), majors)

    return run_workflow


def test_good_branch_passes_on_every_server(run_workflow):
    outcome = run_workflow(
        write("migrations/00300_index_sessions.sql", INDEX),
        migration(
            "ALTER TABLE accounts ADD COLUMN bio text;", "ALTER TABLE accounts DROP COLUMN bio;", "00301_bio.sql"
        ),
        write("migrations-seed/00003_bio.sql", SEED.replace("DO NOTHING", "(name) DO UPDATE SET bio = 'I seed'")),
        majors=MAJORS,
    )
    assert outcome.results == {"validate": "success", "test-migration": "success", "gate": "success"}, outcome.output
    assert set(outcome.artifacts.pop("programs")) == {"migrate", "migrate-dev"}
    assert set(outcome.artifacts) == {f"schema-postgres-{major}" for major in MAJORS}
    for major, files in outcome.artifacts.items():
        schema = files["schema.sql"].decode()
        assert f"-- Dumped from database version {major.removeprefix('schema-postgres-')}." in schema
        assert "CREATE INDEX sessions_seen_at" in schema
        assert "OWNER" not in schema
    for line in (
        r"### Migration check: avion-auth \(PostgreSQL \d+\.\d+\)",
        r"\| 00300_index_sessions.sql \| \d+ ms \| no \| .*sessions SHARE UPDATE EXCLUSIVE.*",
        r"\| 00301_bio.sql \| \d+ ms \| yes \| accounts ACCESS EXCLUSIVE \| .*",
        r"- up on top of HEAD\^",
        r"- two runners at once",
        r"- seeds, twice",
    ):
        assert len(re.findall(f"^{line}$", outcome.summary, re.MULTILINE)) == len(MAJORS), line


def test_branch_without_migrations_passes(run_workflow):
    outcome = run_workflow(write("main.go", "package main\n"))
    assert outcome.results["gate"] == "success", outcome.output


def test_rollbacks_below_check_from_are_not_tried(copier_cli, runners, tmp_path):
    service = tmp_path / "avion-auth"
    assert copier_cli([*COPY[1:], "avion-auth"], cwd=tmp_path).returncode == 0
    migration("CREATE TABLE devices (id bigint PRIMARY KEY);", "DROP TABLE never_there;", "00002_old.sql")(service)
    migration("CREATE TABLE users (id bigint PRIMARY KEY);", "DROP TABLE users;", "00003_new.sql")(service)
    replace(".goose.yml", "driver: postgres", "driver: postgres\ncheck_from: 00003")(service)
    outcome = runners.run(repository := actions.Repository(tmp_path, service), repository.first_push())
    assert outcome.results["gate"] == "success", outcome.output


@pytest.fixture
def keep_schema(engine, run, create_database, postgres_server):
    """A commit that writes the schema down, with the pg_dump that is here: that of the newest server."""
    database = create_database("avion_auth", postgres_server(NEWEST))

    def keep_schema(service: Path) -> None:
        written = run(engine.parent / "migrate-dev", "schema", cwd=service, env={"ENVIRONMENT": "test", **database})
        assert written.returncode == 0, written.stderr

    return keep_schema


def test_schema_that_is_kept_is_what_the_migrations_make(run_workflow, keep_schema):
    newer = migration("ALTER TABLE accounts ADD COLUMN bio text;", "ALTER TABLE accounts DROP COLUMN bio;")
    fresh = run_workflow(newer, keep_schema, majors=[NEWEST])
    assert fresh.results["gate"] == "success", fresh.output
    assert "schema.sql is what the migrations make" in fresh.output
    stale = run_workflow(keep_schema, newer, majors=[NEWEST])
    assert stale.failed == ["test-migration: Check the schema file", "gate: Fail unless the migrations passed"]
    assert "schema.sql is not what the migrations make" in stale.output


def test_first_push_passes(runners, repository):
    assert runners.run(repository, repository.first_push()).results["gate"] == "success"


BAD = {
    "edited old migration": (
        [replace("migrations/00100_create_accounts.sql", "UNIQUE", "")],
        "Validate migration files",
    ),
    "renamed old migration": (
        [rename("migrations/00100_create_accounts.sql", "migrations/00100_accounts.sql")],
        "Validate migration files",
    ),
    "renumbered old migration": (
        [rename("migrations/00200_create_sessions.sql", "migrations/00201_create_sessions.sql")],
        "Validate migration files",
    ),
    "deleted old migration": ([delete("migrations/00200_create_sessions.sql")], "Validate migration files"),
    "missing Down": ([write("migrations/00300_new.sql", "-- +goose Up\nSELECT 1;\n")], "Validate migration files"),
    "duplicate number": ([migration("SELECT 1;", "SELECT 1;", "00200_new.sql")], "Validate migration files"),
    "lower number than the base's newest": (
        [migration("SELECT 1;", "SELECT 1;", "00150_new.sql")],
        "Validate migration files",
    ),
    "timestamp for a name": (
        [migration("SELECT 1;", "SELECT 1;", "20261124120000_new.sql")],
        "Validate migration files",
    ),
    "SQL that is none": ([migration("CREATE TABLE (id bigint);", "SELECT 1;")], "Validate migration files"),
    "weaker production": (
        [replace(".goose.yml", "ssl_mode: verify-full", "ssl_mode: require")],
        "Validate migration files",
    ),
    "production without TLS": (
        [replace(".goose.yml", "ssl_mode: verify-full", "ssl_mode: disable")],
        "Validate migration files",
    ),
    "update that left a conflict": (
        [write("docs/migration-guide.md", "<<<<<<< before\na\n=======\nb\n>>>>>>> after\n")],
        "Check the template's files",
    ),
    "clone that does not reach back to the base": (
        [replace(".github/workflows/auth-migration.yml", "fetch-depth: 2 # as far as BASE", "fetch-depth: 1")],
        "Validate migration files",
    ),
    "index that stops all writes": (
        [migration("CREATE INDEX sessions_seen_at ON sessions (seen_at);", "DROP INDEX sessions_seen_at;")],
        "Lint new migrations",
    ),
    "concurrent index inside a transaction": (
        [write("migrations/00300_new.sql", INDEX.replace("-- +goose NO TRANSACTION\n", ""))],
        "Validate migration files",
    ),
    "type that is nowhere": (
        [migration("CREATE TABLE devices (id bigint PRIMARY KEY, kind no_such_type);", "DROP TABLE devices;")],
        "Run migrations up",
    ),
    "Down that breaks": ([migration("SELECT 1;", "DROP TABLE never_there;")], "Test rollback"),
    "Down that leaves what the next Up makes": (
        [migration("CREATE TABLE devices (id bigint PRIMARY KEY);", "SELECT 1;")],
        "Test rollback",
    ),
    "Down that leaves what nobody misses": (
        [migration("CREATE TABLE IF NOT EXISTS devices (id bigint PRIMARY KEY);", "SELECT 1;")],
        "Check each migration",
    ),
    "Down that loses another table": (
        [
            migration(
                "CREATE TABLE devices (id bigint PRIMARY KEY);",
                "DROP TABLE devices;\nDROP TABLE sessions;",
            )
        ],
        "Check each migration",
    ),
    "seed that cannot be loaded": (
        [write("migrations-seed/00003_new.sql", SEED.replace("accounts", "never_there"))],
        "Run seed data",
    ),
    "seed that can be loaded once": (
        [write("migrations-seed/00003_new.sql", SEED.replace("alice", "bob").replace("ON CONFLICT DO NOTHING", ""))],
        "Run seed data",
    ),
    "row that the base's test data has already": (
        [migration("INSERT INTO accounts (name) VALUES ('alice');", "DELETE FROM accounts WHERE name = 'alice';")],
        "Check each migration",
    ),
    "Job that repeats a failed migration": (
        [replace("k8s/migrations/auth-migration-job.yaml", "[1, 3, 5]", "[1, 5]")],
        "Check the set-up",
    ),
    "troubleshooting guide deleted": ([delete("docs/migration-troubleshooting.md")], "Check the set-up"),
    "alerts deleted": ([delete("monitoring/auth-migration-alerts.yaml")], "Check the set-up"),
    "late file that works from empty only": (
        [
            replace(".goose.yml", "out_of_order: refuse", "out_of_order: allow"),
            migration("UPDATE accounts SET nick = name WHERE nick IS NULL;", "SELECT 1;", "00150_new.sql"),
        ],
        "Check each migration",
    ),
}


@pytest.mark.parametrize(("edits", "step"), BAD.values(), ids=BAD)
def test_bad_branch_stops_at_the_step_that_is_there_for_it(run_workflow, edits, step):
    outcome = run_workflow(*edits)
    job = "test-migration" if step in (*MANUAL, "Check each migration", "Check the set-up") else "validate"
    assert outcome.failed == [f"{job}: {step}", "gate: Fail unless the migrations passed"], outcome.output
    assert ("**Failed** (exit code " in outcome.summary) == (step == "Check each migration")
