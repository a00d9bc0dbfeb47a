"""The pages to which a service's documents lead do what they say: their blocks, typed into a shell, on a real server."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration
from tests.conftest import ENGINE, Database, program
from tests.documentation import Block, blocks

TABLES = """-- +goose Up
CREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz NOT NULL);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
INSERT INTO sessions SELECT n, now() - n * interval '1 day' FROM generate_series(1, 30) n;
CREATE TABLE audit_log (occurred_at timestamptz NOT NULL) PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_log_holds (held tstzrange NOT NULL);
-- +goose Down
DROP TABLE audit_log_holds;
DROP TABLE audit_log;
DROP TABLE sessions;
"""
BEFORE = ("00101_create_accounts", "00102_add_screen_name")


def only(page: str) -> Block:
    (block,) = blocks(page)
    return block


@pytest.fixture
def type_in(run):
    def type_in(folder: Path, code: str, environment: dict[str, str], status: int = 0) -> str:
        result = run("bash", "-ec", code, cwd=folder, env=environment)
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr

    return type_in


def test_update_and_a_changed_answer(committed, template, type_in, tmp_path):
    folder = committed()
    update, change = blocks("docs/how-to/update.md")
    variables = git_configuration(tmp_path / "gitconfig", template)
    assert "the files are those of the template's" in type_in(folder, update.code, variables)
    type_in(folder, change.code, variables)
    assert "migration_timeout: 600" in (folder / ".copier-answers.yml").read_text()
    assert "MIGRATION_TIMEOUT=600" in (folder / ".env.example").read_text()


def test_what_the_workflow_runs(committed, type_in, git, database, tmp_path):
    folder = committed()
    git("clone", "--quiet", "--bare", folder, tmp_path / "origin.git", cwd=tmp_path)
    git("remote", "add", "origin", tmp_path / "origin.git", cwd=folder)
    (folder / "migrations/00002_tables.sql").write_text(TABLES)
    said = type_in(folder, only("docs/how-to/github-actions.md").code, database)
    assert "2 migrations can be applied, rolled back and applied again" in said


def test_backfill_is_listed_tried_run_and_paused(service, type_in, database):
    folder = service()
    definition, commands = blocks("docs/how-to/backfill.md")
    for name in BEFORE:
        shutil.copy(ROOT / f"includes/documents/examples/{name}.sql", folder / "migrations")
    (folder / "migrations/backfill").mkdir()
    (folder / "migrations/backfill/accounts_screen_name.sql").write_text(definition.code)
    type_in(folder, "make migrate-up", database)
    database.query("INSERT INTO accounts (user_name) SELECT 'u' || n FROM generate_series(1, 250) n")
    assert "accounts_screen_name" in type_in(folder, commands.code, database)
    assert database.value("SELECT count(*) FROM accounts WHERE screen_name = user_name") == 250


def test_maintenance_deletes_and_keeps_partitions(service, type_in, database):
    folder = service()
    commands, deleting, keeping = blocks("docs/how-to/maintenance.md")
    (folder / "migrations/00002_tables.sql").write_text(TABLES)
    (folder / "migrations/maintenance").mkdir()
    (folder / "migrations/maintenance/sessions_cleanup.sql").write_text(deleting.code)
    (folder / "migrations/maintenance/audit_log_partitions.sql").write_text(keeping.code)
    type_in(folder, "make migrate-up", database)
    assert "audit_log_partitions" in type_in(folder, commands.code, database)
    assert database.value("SELECT max(id) FROM sessions") == 6
    type_in(folder, "make migrate-maintain JOB=audit_log_partitions", database)
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass") == 4


def test_database_of_another_tool_is_taken_over(service, type_in, database):
    folder = service()
    take, show, record = blocks("docs/how-to/another-tool.md")
    first = (folder / "migrations/00001_init_schema.sql").read_text().split("-- +goose Down")[0]
    database.query(first)
    (folder / "migrations/00001_init_schema.sql").unlink()
    (folder / "db").mkdir()
    (folder / "db/000001_init_schema.up.sql").write_text(first.replace("+goose", ""))
    database.query("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)")
    database.query("INSERT INTO schema_migrations VALUES (1, false)")
    said = type_in(folder, take.code, database)
    assert "make migrate-baseline VERSION=00001" in said
    (folder / "migrations/00002_tables.sql").write_text(TABLES)
    assert "golang-migrate" in type_in(folder, "make migrate-up", database, status=2)
    assert "00002_tables.sql       stays pending" in type_in(folder, show.code, database, status=2)
    said = type_in(folder, record.code.replace("avion_auth_db", database["DB_NAME"]), database)
    assert "recorded 1 migration as applied" in said
    assert "0 migrations pending" in said


def test_changed_file_is_accepted_on_purpose(service, type_in, database):
    folder = service()
    type_in(folder, "make migrate-up", database)
    first = folder / "migrations/00001_init_schema.sql"
    first.write_text(first.read_text().replace("+goose Up\n", "+goose Up\n-- a word more\n"))
    type_in(folder, "make migrate-up", database, status=2)
    assert "00001_init_schema.sql" in type_in(folder, only("docs/explanation/history.md").code, database)
    type_in(folder, "make migrate-up", database)


def test_limits_of_a_file_are_those_of_its_first_line(service, type_in, database):
    folder = service()
    line = only("docs/explanation/locks.md").code
    asked = "SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout') AS limits"
    (folder / "migrations/00002_limits.sql").write_text(
        f"{line}-- +goose Up\nCREATE TABLE told AS {asked};\n-- +goose Down\nDROP TABLE told;\n"
    )
    type_in(folder, "make migrate-up", database)
    assert database.value("SELECT limits FROM told") == "10s 1h"


@pytest.fixture
def staging(service, create_database, servers) -> tuple[Path, Database]:
    """A service, and an empty database on a server with TLS, as staging demands it."""
    return service(), create_database("avion_auth", servers["right"])


def test_copy_of_production_is_marked_anew(staging, type_in):
    folder, database = staging
    variables = {**database, "DB_SSL_MODE": "require"}
    type_in(folder, "make migrate-up", {**variables, "ENVIRONMENT": "production"})
    type_in(folder, only("docs/explanation/environments.md").code, variables)
    assert database.value("SELECT environment FROM goose_db_version_environment") == "staging"


def test_staging_rehearses_the_rollback(staging, type_in):
    folder, database = staging
    (folder / "migrations/00002_tables.sql").write_text(TABLES)
    url = "postgres://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}".format_map(database)
    (folder / "db-url.txt").write_text(url)
    (rehearsal,) = [
        block.code for block in blocks(folder / "docs/migration-operations.md") if "${PREVIOUS}" in block.code
    ]
    up = rehearsal.splitlines()[-1]
    type_in(folder, up, {})
    said = type_in(folder, rehearsal, {"PREVIOUS": "1"})
    assert "1 migration rolled back in avion_auth_db (staging)" in said
    assert "1 migration applied to avion_auth_db (staging)" in said.splitlines()[-1]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_commands_in_production_are_jobs(service, run, language):
    """The Job differs from that of a release in its name and in what it runs, and in nothing else."""
    folder = service(docs_language=language)
    release = {"VERSION": "1.2.3", "BUILD_NUMBER": "42"}
    released = yaml.safe_load(run("make", "--silent", "migrate-job", cwd=folder, env=release).stdout)
    for name, confirm in {"status": [], "repair": [{"name": "CONFIRM", "value": "avion_auth_db"}]}.items():
        (ask,) = [
            block.code for block in blocks(folder / "docs/migration-operations.md") if f"COMMAND={name}" in block.code
        ]
        made = yaml.safe_load(run("sh", "-c", ask.partition(" | kubectl")[0], cwd=folder, env=release).stdout)
        container = made["spec"]["template"]["spec"]["containers"][0]
        assert container["args"] == [name]
        assert made["metadata"]["name"] == f"avion-auth-{name}-42"
        container["args"] = ["up"]
        container["env"] = [each for each in container["env"] if each not in confirm]
        made["metadata"]["name"] = released["metadata"]["name"]
        for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
            assert labels["app.kubernetes.io/component"] == name
            labels["app.kubernetes.io/component"] = "migration"
        assert made == released
        assert f"avion-auth-{name}-${{BUILD_NUMBER}}" in ask


def test_the_release_before_leaves_the_database_alone(service, run, database):
    folder = service()
    assert run(ENGINE, "up", cwd=folder, env=database).returncode == 0
    newer = shutil.copytree(folder, folder.parent / "newer", symlinks=True)
    (newer / "migrations/00002_tables.sql").write_text(TABLES)
    assert run(ENGINE, "up", cwd=newer, env=database).returncode == 0
    before = database.schema()
    again = run(ENGINE, "up", cwd=folder, env=database)
    assert again.returncode == 5
    assert "the database is newer than this release" in again.stderr
    assert database.schema() == before
    # What comes after goes on from there, and what goes back needs the files of the newer one.
    assert run(ENGINE, "up", cwd=newer, env=database).returncode == 0
    assert run(ENGINE, "to", "1", cwd=folder, env=database).returncode == 5
    assert run(ENGINE, "to", "1", cwd=newer, env=database).returncode == 0
    assert run(ENGINE, "up", cwd=folder, env=database).returncode == 0


@pytest.mark.parametrize("page", ["docs/how-to/backfill.md", "docs/explanation/history.md"])
def test_commands_of_the_engine_are_those_of_the_program(service, run, page):
    folder = service()
    lines = [line for block in blocks(page) for line in block.code.splitlines() if line.startswith("tools/")]
    assert lines
    for line in lines:
        path, command, *_ = shlex.split(line)
        assert Path(path) == program(command)
        assert run(path, command, "--help", cwd=folder).returncode == 0
