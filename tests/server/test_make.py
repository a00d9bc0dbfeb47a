"""`make migrate-up` works wherever a developer stands, and takes each variable from the strongest place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

VERSION = "SELECT max(version_id) FROM goose_db_version"


@pytest.fixture(params=["dash", "bash"])
def shell(request) -> str:
    path = shutil.which(request.param)
    if not path:
        pytest.skip(f"this machine has no {request.param}")
    return path


@pytest.fixture
def spaced(service, tmp_path) -> Path:
    """A service in a folder with a space in its name."""
    folder = tmp_path / "my services" / "avion-auth"
    folder.parent.mkdir()
    return Path(shutil.move(service("avion-auth"), folder))


def test_folder_with_a_space_and_either_shell(run, spaced, database, shell):
    result = run("make", f"SHELL={shell}", "migrate-up", cwd=spaced, env=database)
    assert result.returncode == 0, result.stderr
    assert database.value(VERSION) == 1


def test_symlinked_path(run, spaced, database, tmp_path):
    (tmp_path / "link").symlink_to(spaced)
    assert run("make", "migrate-up", cwd=tmp_path / "link", env=database).returncode == 0
    assert database.value(VERSION) == 1


def test_make_from_another_folder(run, spaced, database, tmp_path):
    assert run("make", "-C", spaced, "migrate-up", cwd=tmp_path, env=database).returncode == 0
    assert database.value(VERSION) == 1


def test_migrations_mk_works_without_the_services_makefile(run, spaced, database):
    (spaced / "Makefile").unlink()
    assert run("make", "-f", "migrations.mk", "migrate-up", cwd=spaced, env=database).returncode == 0


def test_command_line_beats_environment_beats_dotenv(run, service, create_database):
    folder = service("avion-auth")
    # The owner of all three comes first, so that it is dropped last.
    dotenv, environment, line = (create_database(f"avion_{place}") for place in ("dotenv", "environment", "line"))
    # One role for all three, so that only the name decides.
    settings = {key: dotenv[key] for key in ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD")}
    for database in (line, environment):
        database.server.execute(f'ALTER DATABASE "{database["DB_NAME"]}" OWNER TO "{dotenv["DB_USER"]}"')
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in (settings | dotenv).items()))

    def migrated(database) -> bool:
        return database.value("SELECT to_regclass('goose_db_version')") is not None

    assert run("make", "migrate-up", cwd=folder).returncode == 0
    assert [migrated(database) for database in (line, environment, dotenv)] == [False, False, True]
    in_environment = {"DB_NAME": environment["DB_NAME"]}
    assert run("make", "migrate-up", cwd=folder, env=in_environment).returncode == 0
    assert [migrated(database) for database in (line, environment, dotenv)] == [False, True, True]
    assert run("make", "migrate-up", f"DB_NAME={line['DB_NAME']}", cwd=folder, env=in_environment).returncode == 0
    assert [migrated(database) for database in (line, environment, dotenv)] == [True, True, True]


def test_engine_is_built_once_and_again_only_when_its_sources_change(run, generate, database):
    folder = generate("avion-auth")
    assert "Building" in run("make", "migrate-up", cwd=folder, env=database, timeout=600).stderr
    assert "Building" not in run("make", "migrate-up", cwd=folder, env=database).stderr
    (folder / "tools/migrate/go.sum").touch()
    assert "Building" in run("make", "migrate-up", cwd=folder, env=database, timeout=600).stderr


def test_recipes_show_no_secret(run, service, database):
    folder = service("avion-auth")
    for arguments in (["migrate-up"], ["-n", "migrate-up"], ["--trace", "migrate-up"], ["-p", "-n", "migrate-ping"]):
        result = run("make", *arguments, cwd=folder, env={**database, "DB_PASSWORD": "canary-in-the-recipe"})
        # make -p prints its whole environment; that is the developer's own request, so only recipes count.
        shown = result.stdout + result.stderr
        recipes = "\n".join(line for line in shown.splitlines() if not line.startswith("DB_PASSWORD"))
        assert "canary-in-the-recipe" not in recipes


def test_dollar_and_quotes_in_the_environment_reach_the_engine_unchanged(run, service, database, postgres):
    password = "pa$ss$(id)`id`'\"\\ #"
    postgres.execute("ALTER ROLE \"avion_auth\" PASSWORD :'password'", password=password)
    result = run("make", "migrate-up", cwd=service("avion-auth"), env={**database, "DB_PASSWORD": password})
    assert result.returncode == 0, result.stderr
