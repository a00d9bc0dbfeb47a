"""The plain goose CLI, in the same version, and the engine go on with each other's work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dev.toolchain import install

ACCOUNTS = "-- +goose Up\nCREATE TABLE accounts ();\n-- +goose Down\nDROP TABLE accounts;\n"
VERSION = "SELECT max(version_id) FROM goose_db_version"


@pytest.fixture(scope="session")
def goose() -> Path:
    return install.goose()


@pytest.fixture
def folder(service, database) -> Path:
    """A service whose .env is .env.example with this database's address and password."""
    folder = service("avion-auth")
    (folder / "migrations/00002_create_accounts.sql").write_text(ACCOUNTS)
    shutil.copy(folder / ".env.example", folder / ".env")
    text = (folder / ".env").read_text()
    text = text.replace("DB_PORT=5432", f"DB_PORT={database['DB_PORT']}")
    text = text.replace("DB_HOST=localhost", f"DB_HOST={database['DB_HOST']}")
    (folder / ".env").write_text(text.replace("changeme", database["DB_PASSWORD"]))
    return folder


def test_goose_reads_the_engines_history_and_goes_on(run, goose, folder, database):
    assert run("make", "migrate-to", "VERSION=1", cwd=folder).returncode == 0
    up = run(goose, "up", cwd=folder)
    assert up.returncode == 0, up.stderr
    assert "00002_create_accounts.sql" in up.stderr
    assert "00001_init_schema.sql" not in up.stderr
    assert database.value(VERSION) == 2


def test_engine_reads_gooses_history_and_goes_on(run, goose, folder, database):
    assert run(goose, "up-to", "1", cwd=folder).returncode == 0
    assert run("make", "migrate-up", cwd=folder).returncode == 0
    assert database.value(VERSION) == 2
    assert run(goose, "down", cwd=folder).returncode == 0
    assert database.value("SELECT to_regclass('accounts')") is None
    assert "pending" in run("make", "migrate-status", cwd=folder).stdout.lower()


def test_both_keep_the_same_tables_but_for_the_engines_own(run, goose, folder, database, create_database):
    assert run("make", "migrate-up", cwd=folder).returncode == 0
    other = create_database("avion_other")
    settings = {"PGDATABASE": other["DB_NAME"], "PGUSER": other["DB_USER"], "PGPASSWORD": other["DB_PASSWORD"]}
    assert run(goose, "up", cwd=folder, env=settings).returncode == 0
    own = ("--exclude-table=goose_db_version_checksum", "--exclude-table=goose_db_version_environment")
    assert other.schema("--no-owner") == database.schema("--no-owner", *own)


def test_engine_adopts_once_what_goose_applied(run, goose, folder):
    assert run(goose, "up", cwd=folder).returncode == 0
    assert run("make", "migrate-status", cwd=folder).stdout.count("applied, unrecorded") == 2
    assert (
        "recorded the checksums of 2 migrations that another tool applied"
        in run("make", "migrate-up", cwd=folder).stderr
    )
    assert "recorded" not in run("make", "migrate-up", cwd=folder).stderr
    assert "unrecorded" not in run("make", "migrate-status", cwd=folder).stdout


def test_goose_loads_seed_data_from_the_same_env(run, goose, folder, database):
    assert run("make", "migrate-up", cwd=folder).returncode == 0
    seed = {"GOOSE_MIGRATION_DIR": "./migrations-seed", "GOOSE_TABLE": "goose_seed_version"}
    seeded = run(goose, "up", cwd=folder, env=seed)
    assert seeded.returncode == 0, seeded.stderr
    assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 1
    assert run("make", "migrate-seed", cwd=folder).returncode == 0


def test_goose_refuses_seed_data_when_the_env_says_production(run, goose, folder, database):
    assert run("make", "migrate-up", cwd=folder).returncode == 0
    (folder / ".env").write_text((folder / ".env").read_text().replace("=development", "=production"))
    seed = {"GOOSE_MIGRATION_DIR": "./migrations-seed", "GOOSE_TABLE": "goose_seed_version"}
    assert run(goose, "up", cwd=folder, env=seed).returncode == 1
    assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 0


def test_goose_and_psql_read_the_env_with_a_password_of_any_characters(run, goose, folder, database, postgres):
    password = 'p@ss w#rd/%?&=:;"`~!*(){}[]<>|^+,.ü'
    postgres.execute("ALTER ROLE \"avion_auth\" PASSWORD :'password'", password=password)
    text = (folder / ".env").read_text().replace(f"DB_PASSWORD={database['DB_PASSWORD']}", f"DB_PASSWORD='{password}'")
    (folder / ".env").write_text(text)
    assert run("make", "migrate-up", cwd=folder).returncode == 0
    status = run(goose, "status", cwd=folder)
    assert status.returncode == 0, status.stderr
    assert "Pending" not in status.stderr
