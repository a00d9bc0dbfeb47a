"""The make targets do on a real server what their names say, on every supported version of PostgreSQL."""

from __future__ import annotations

import pytest

from tests.amounts import every_major

SECOND = """-- +goose Up
CREATE TABLE accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);

-- +goose Down
DROP TABLE accounts;
"""
THIRD = """-- +goose Up
ALTER TABLE accounts ADD COLUMN email text;

-- +goose Down
ALTER TABLE accounts DROP COLUMN email;
"""
VERSIONS = "SELECT coalesce(max(version_id), 0) FROM goose_db_version"
WITHOUT_VERSION_TABLES = ("--exclude-table=goose_db_version*", "--exclude-table=goose_seed_version*")


@pytest.fixture
def make(run, service, database):
    """make("migrate-up", NAME="…"): in a service with three migrations; its database is `database`."""
    folder = service("avion-auth")
    (folder / "migrations/00002_create_accounts.sql").write_text(SECOND)
    (folder / "migrations/00003_add_email.sql").write_text(THIRD)

    def make(target: str, status: int = 0, **variables: str):
        assignments = [f"{name}={value}" for name, value in variables.items()]
        result = run("make", target, *assignments, cwd=folder, env=database)
        # make turns every failure of a recipe into 2 and prints the recipe's own status.
        assert (result.returncode, f"Error {status}" in result.stderr) == ((2, True) if status else (0, False)), result
        return result

    make.folder = folder
    return make


@every_major
def test_life_of_a_database(make, database):
    empty = database.schema(*WITHOUT_VERSION_TABLES)

    make("migrate-up")
    full = database.schema(*WITHOUT_VERSION_TABLES)
    assert database.value(VERSIONS) == 3

    assert "00003_add_email.sql" in make("migrate-status").stdout
    make("migrate-seed")
    seeded = database.value("SELECT count(*) FROM schema_metadata")
    make("migrate-seed")
    assert database.value("SELECT count(*) FROM schema_metadata") == seeded

    make("migrate-down")
    assert database.value(VERSIONS) == 2
    make("migrate-redo")
    assert database.value(VERSIONS) == 2
    make("migrate-to", VERSION="1")
    assert database.value(VERSIONS) == 1
    make("migrate-to-version", VERSION="00003")
    assert database.schema(*WITHOUT_VERSION_TABLES) == full
    make("migrate-to", VERSION="0")
    assert database.schema(*WITHOUT_VERSION_TABLES) == empty

    make("migrate-reset", CONFIRM=database["DB_NAME"])
    assert database.schema(*WITHOUT_VERSION_TABLES) == full
    make("migrate-up")
    assert database.value(VERSIONS) == 3


def test_seed_data_is_there_again_after_the_schema_was_rebuilt(make, database):
    make("migrate-up")
    make("migrate-seed")
    make("migrate-to", VERSION="0")
    make("migrate-up")
    make("migrate-seed")
    assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 1


def test_seed_data_has_a_version_table_of_its_own(make, database):
    make("migrate-up")
    make("migrate-seed")
    assert database.value("SELECT max(version_id) FROM goose_seed_version") == 1
    assert database.value(VERSIONS) == 3


def test_reset_really_drops_the_database(make, database):
    make("migrate-up")
    database.query("CREATE TABLE left_over ()")
    before = database.value("SELECT oid FROM pg_database WHERE datname = current_database()")
    make("migrate-reset", CONFIRM=database["DB_NAME"])
    assert database.value("SELECT oid FROM pg_database WHERE datname = current_database()") != before
    assert database.value("SELECT to_regclass('left_over')") is None


@pytest.mark.parametrize("confirmation", [{}, {"CONFIRM": ""}, {"CONFIRM": "y"}, {"CONFIRM": "AVION_AUTH_DB"}])
def test_reset_without_the_databases_name_is_refused(make, database, confirmation):
    make("migrate-up")
    refused = make("migrate-reset", status=1, **confirmation)
    assert "avion_auth_db" in refused.stderr
    assert database.value(VERSIONS) == 3


@pytest.mark.parametrize("target", ["migrate-seed", "migrate-reset"])
@pytest.mark.parametrize(
    "environment", ["production", "prod", "PRODUCTION", " production ", "staging", "", "prodution"]
)
def test_seed_and_reset_are_refused_outside_development_and_test(make, database, target, environment):
    make("migrate-up")
    make(target, status=1, ENVIRONMENT=environment, CONFIRM=database["DB_NAME"])
    assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 0
    assert database.value(VERSIONS) == 3


def test_ping_tells_the_server_without_touching_the_database(make, database):
    assert database["DB_NAME"] in make("migrate-ping").stdout
    assert database.value("SELECT to_regclass('goose_db_version')") is None


def test_status_and_plan_do_not_touch_the_database(make, database):
    assert "00001_init_schema.sql" in make("migrate-status").stdout
    assert "CREATE TABLE accounts" in make("migrate-plan").stdout
    assert database.value("SELECT to_regclass('goose_db_version')") is None


def test_plan_shows_only_what_up_would_run(make):
    make("migrate-to", VERSION="2")
    plan = make("migrate-plan").stdout
    assert "ADD COLUMN email" in plan
    assert "CREATE TABLE accounts" not in plan
    assert "DROP COLUMN email" not in plan
    make("migrate-up")
    assert make("migrate-plan").stdout == ""


def test_create_gives_the_next_number_and_a_header(make):
    make("migrate-create", NAME="add_user_profile")
    (created,) = make.folder.glob("migrations/00004_*.sql")
    assert created.name == "00004_add_user_profile.sql"
    text = created.read_text()
    for line in ("-- +goose Up", "-- +goose Down", "-- Migration: ", "-- Author: ", "-- Date: ", "-- Purpose:"):
        assert line in text, line
    assert "00004_add_user_profile.sql" in make("migrate-validate", status=1).stderr
    statements = {"-- +goose Up\n": "SELECT 1;\n", "-- +goose Down\n": "SELECT 1;\n"}
    for annotation, statement in statements.items():
        text = text.replace(annotation, annotation + statement)
    created.write_text(text)
    make("migrate-validate")


def test_create_gives_the_next_number_of_a_reserved_block(make):
    make("migrate-create", NAME="first", BLOCK="200")
    make("migrate-create", NAME="second", BLOCK="200")
    assert {path.name for path in make.folder.glob("migrations/002*.sql")} == {"00200_first.sql", "00201_second.sql"}


@pytest.mark.parametrize("block", ["250", "0", "-100", "abc", "100000"])
def test_create_refuses_what_is_no_block(make, block):
    before = sorted(make.folder.glob("migrations/*"))
    make("migrate-create", status=1, NAME="x", BLOCK=block)
    assert sorted(make.folder.glob("migrations/*")) == before


@pytest.mark.parametrize("name", ["", "../x", "x;y", "$(id)", "a/b", "名前", "a" * 200])
def test_create_refuses_a_name_that_is_none(make, name):
    before = sorted(make.folder.glob("migrations/*"))
    make("migrate-create", status=1, NAME=name)
    assert sorted(make.folder.glob("migrations/*")) == before


def test_goose_yml_is_really_read(make, database):
    goose = make.folder / ".goose.yml"
    goose.write_text(goose.read_text().replace("goose_db_version", "auth_version").replace("./migrations\n", "./sql\n"))
    (make.folder / "migrations").rename(make.folder / "sql")
    make("migrate-up")
    assert database.value("SELECT max(version_id) FROM auth_version") == 3
    assert database.value("SELECT to_regclass('goose_db_version')") is None


def test_first_three_lines_of_the_manual_are_a_complete_goose_yml(make, database):
    (make.folder / ".goose.yml").write_text("driver: postgres\ndir: ./migrations\ntable: goose_db_version\n")
    make("migrate-up")
    assert database.value(VERSIONS) == 3


def test_failed_migration_leaves_nothing_behind(make, database):
    (make.folder / "migrations/00004_broken.sql").write_text(
        "-- +goose Up\nCREATE TABLE half ();\nSELECT 1/0;\n-- +goose Down\nDROP TABLE half;\n"
    )
    failed = make("migrate-up", status=3)
    assert "00004_broken.sql" in failed.stderr
    assert "division by zero" in failed.stderr
    assert database.value("SELECT to_regclass('half')") is None
    assert database.value(VERSIONS) == 3
