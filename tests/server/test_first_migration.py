"""The first migration and its Down leave the database exactly as it was, and harm nothing that is not theirs."""

from __future__ import annotations

import re

import pytest

from tests.amounts import every_major

ALL_EXTENSIONS = ["uuid-ossp", "pg_trgm", "citext", "hstore", "pgcrypto", "unaccent", "btree_gist"]
WITHOUT_VERSION_TABLE = "--exclude-table=goose_db_version*"


@every_major
@pytest.mark.parametrize("extensions", [[], ["uuid-ossp", "pg_trgm"], ALL_EXTENSIONS], ids=len)
def test_down_leaves_the_database_as_before_up(run, service, database, extensions):
    folder = service("avion-auth", postgres_extensions=extensions)
    before = database.schema()
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    created = {name for (name,) in database.query("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'")}
    assert created == set(extensions)
    assert run("make", "migrate-down", cwd=folder, env=database).returncode == 0
    assert database.schema(WITHOUT_VERSION_TABLE) == before


def test_down_keeps_an_extension_that_was_there_before(run, service, database):
    database.query("CREATE EXTENSION pg_trgm")
    folder = service("avion-auth")
    for target in ("migrate-up", "migrate-down"):
        assert run("make", target, cwd=folder, env=database).returncode == 0
    assert database.query("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == [("pg_trgm",)]


def test_down_keeps_an_extension_that_something_else_uses(run, service, database):
    folder = service("avion-auth", postgres_extensions=["citext", "pg_trgm"])
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    database.query("CREATE TABLE other (name citext)")
    assert run("make", "migrate-down", cwd=folder, env=database).returncode == 0
    assert database.query("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == [("citext",)]
    assert database.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 'other'") == 1


def test_down_fails_rather_than_cascade_to_what_still_needs_it(run, service, database):
    folder = service("avion-auth")
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    database.query("CREATE VIEW report AS SELECT key FROM schema_metadata")
    failed = run("make", "migrate-down", cwd=folder, env=database)
    assert "Error 3" in failed.stderr
    assert database.value("SELECT count(*) FROM report") > 0


def test_updated_at_follows_every_change(run, service, database):
    folder = service("avion-auth")
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    assert database.value("SELECT value FROM schema_metadata WHERE key = 'version'") == "1.0.0"
    database.query("UPDATE schema_metadata SET value = '1.0.1' WHERE key = 'version'")
    assert database.value("SELECT updated_at > created_at FROM schema_metadata WHERE key = 'version'")


@pytest.mark.parametrize("extensions", [[], ["uuid-ossp", "pg_trgm"]], ids=len)
def test_first_migration_is_written_as_we_ask_others_to(generate, extensions):
    text = (generate("avion-auth", postgres_extensions=extensions) / "migrations/00001_init_schema.sql").read_text()
    assert re.search(r"\b(timestamp|varchar|uuid_generate_v4|CASCADE)\b", text) is None
    for body in re.findall(r"\+goose StatementBegin\n(.*?)-- \+goose StatementEnd", text, re.DOTALL):
        assert body.startswith(("CREATE FUNCTION", "DO $$"))
        assert body.endswith("$$;\n")


@every_major
def test_commented_example_works_once_it_is_uncommented(run, service, database):
    folder = service("avion-auth")
    first = folder / "migrations/00001_init_schema.sql"
    example = re.compile(r"^-- (?=CREATE T|    |\);|BEFORE UPDATE ON entities|FOR EACH ROW|EXECUTE|DROP TABLE)", re.M)
    text = example.sub("", first.read_text()).replace("    -- Add columns here\n", "    name text,\n")
    first.write_text(text)
    before = database.schema()
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    database.query("INSERT INTO entities (name) VALUES ('first')")
    database.query("UPDATE entities SET name = 'second'")
    assert database.value("SELECT updated_at > created_at FROM entities")
    assert run("make", "migrate-down", cwd=folder, env=database).returncode == 0
    assert database.schema(WITHOUT_VERSION_TABLE) == before


@pytest.mark.parametrize("environment", [None, "", "production", "staging", "Development"])
def test_seed_file_refuses_by_itself_whoever_runs_it(run, service, database, environment):
    folder = service("avion-auth")
    assert run("make", "migrate-up", cwd=folder, env=database).returncode == 0
    up = (folder / "migrations-seed/00001_test_data.sql").read_text().partition("-- +goose Down")[0]
    options = {} if environment is None else {"PGOPTIONS": f"-c custom.environment={environment}"}
    seeded = run("psql", "-X", "--set=ON_ERROR_STOP=1", cwd=folder, env=database.libpq | options, feed=up)
    assert seeded.returncode != 0
    assert "Seed data is for development and test" in seeded.stderr
    assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 0
