"""Bad input gets one sentence with value, rule and next step, the promised exit status, and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from copier import run_copy
from copier.errors import UnsupportedVersionError
from packaging.version import Version

ENGINE = "tools/migrate/bin/migrate"


@pytest.fixture
def folder(service) -> Path:
    return service("avion-auth")


@pytest.fixture
def refuse(run, folder, database):
    """refuse(4, "up", DB_PORT="1"): the one sentence with which the engine ends; the database stays empty."""

    def refuse(status: int, *arguments: str, without: str = "", **variables: str) -> str:
        env = {key: value for key, value in (dict(database) | variables).items() if key != without}
        result = run(f"./{ENGINE}", *arguments, cwd=folder, env=env)
        assert result.returncode == status, result.stderr
        assert result.stdout == ""
        assert database["DB_PASSWORD"] not in result.stderr
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        assert re.fullmatch(r"migrate: .*[^.]\.?", lines[0])
        assert database.value("SELECT to_regclass('goose_db_version')") is None
        return lines[0]

    return refuse


def test_no_server(refuse):
    sentence = refuse(4, "up", DB_PORT="1", MIGRATION_CONNECT_TIMEOUT="0")
    assert "127.0.0.1" in sentence
    assert "1" in sentence


def test_no_such_host(refuse):
    assert "db.invalid" in refuse(4, "up", DB_HOST="db.invalid", ENVIRONMENT="test", MIGRATION_CONNECT_TIMEOUT="0")


def test_wrong_password(refuse):
    sentence = refuse(4, "up", DB_PASSWORD="canary-of-a-password")
    assert "avion_auth" in sentence
    assert "DB_PASSWORD" in sentence
    assert "canary" not in sentence


def test_no_such_database(refuse):
    assert "avion_nowhere_db" in refuse(4, "up", DB_NAME="avion_nowhere_db")


@pytest.mark.parametrize("value", ["", " ", "prodution", "Production!", "dev elopment", "0", "null", "production\n"])
def test_unknown_environment_names_the_four(refuse, value):
    sentence = refuse(1, "up", ENVIRONMENT=value)
    for known in ("development", "test", "staging", "production"):
        assert known in sentence


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("environment", ["staging", "production", "PROD"])
def test_weaker_connection_than_the_environment_demands(refuse, environment, mode):
    sentence = refuse(1, "up", ENVIRONMENT=environment, DB_SSL_MODE=mode)
    assert mode in sentence
    assert "require" in sentence


def test_unknown_ssl_mode(refuse):
    assert "verify-ful" in refuse(1, "up", DB_SSL_MODE="verify-ful")


@pytest.mark.parametrize("port", ["0", "65536", "5432x", "-1"])
def test_port_that_is_none(refuse, port):
    assert "DB_PORT" in refuse(1, "up", DB_PORT=port)


@pytest.mark.parametrize("timeout", ["soon", "-1", "0", "5m"])
def test_timeout_that_is_none(refuse, timeout):
    assert "MIGRATION_TIMEOUT" in refuse(1, "up", MIGRATION_TIMEOUT=timeout)


def test_missing_goose_yml(refuse, folder):
    (folder / ".goose.yml").unlink()
    assert ".goose.yml" in refuse(1, "up")


@pytest.mark.parametrize(
    "text",
    [
        "driver: mysql\ndir: ./migrations\ntable: goose_db_version\n",
        "driver: postgres\ndir: ./migrations\ntabel: goose_db_version\n",
        "driver: postgres\ndir: ./migrations\ntable: 'a; DROP TABLE b'\n",
        "driver: postgres\ndir: ./nowhere\ntable: goose_db_version\n",
        "driver: postgres\ndir: [\n",
        "- driver\n",
        "driver: postgres\ndir: ./migrations\ntable: goose_db_version\nenvironments: {production: {ssl_mode: disable}}\n",
        "driver: postgres\ndir: ./migrations\ntable: goose_db_version\nenvironments: {prodution: {ssl_mode: require}}\n",
        "driver: postgres\ndir: ./migrations\ntable: same\nseed: {dir: ./migrations-seed, table: same}\n",
    ],
)
def test_malformed_goose_yml(refuse, folder, text):
    (folder / ".goose.yml").write_text(text)
    assert ".goose.yml" in refuse(1, "up")


@pytest.mark.parametrize("text", ["DB_HOST\n", "DB_PASSWORD='open\n", "DB-HOST=x y\n"])
def test_malformed_env(refuse, folder, text):
    (folder / ".env").write_text(text)
    assert ".env" in refuse(1, "up")


def test_unreadable_env(refuse, folder):
    (folder / ".env").mkdir()
    assert ".env" in refuse(1, "up")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_env_without_permission(refuse, folder):
    (folder / ".env").touch(mode=0o000)
    assert ".env" in refuse(1, "up")


@pytest.mark.parametrize(
    "name", ["README.sql", "20250113120000_add.sql", "2_add.sql", "00002-add.sql", "00002_Add.sql", "00002_.sql"]
)
def test_migration_with_a_bad_name(refuse, folder, name):
    (folder / "migrations" / name).write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    for command in ("up", "validate"):
        assert name in refuse(1, command)


def test_two_migrations_with_one_number(refuse, folder):
    for name in ("00002_add_users.sql", "00002_add_posts.sql"):
        (folder / "migrations" / name).write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    for command in ("up", "validate"):
        sentence = refuse(5, command)
        assert "00002_add_users.sql" in sentence
        assert "00002_add_posts.sql" in sentence


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("SELECT 1;\n", "Up"),
        ("-- +goose Up\nSELECT 1;\n", "Down"),
        ("-- This mentions -- +goose Up and +goose Down\nSELECT 1;\n", "Up"),
    ],
)
def test_validate_finds_a_missing_direction(refuse, folder, text, missing):
    (folder / "migrations/00002_half.sql").write_text(text)
    sentence = refuse(1, "validate")
    assert "00002_half.sql" in sentence
    assert missing in sentence


@pytest.mark.parametrize("version", ["", "-1", "abc", "7", "1.0", "99999999999999999999"])
def test_version_that_is_none(refuse, version):
    refuse(1, "to", version)


@pytest.mark.parametrize("arguments", [["upp"], ["up", "--forse"], ["up", "extra"], ["to"]])
def test_unknown_command_flag_or_argument(refuse, arguments):
    refuse(1, *arguments)


def test_database_url_with_raw_special_characters_tells_no_part_of_it(refuse):
    for secret in ("se%zzcret", "se/cr?et#canary", "se cret"):
        url = f"postgres://avion_auth:{secret}@127.0.0.1:5432/avion_auth_db"
        sentence = refuse(1, "up", DB_URL=url)
        assert "DB_URL" in sentence
        assert "canary" not in sentence
        assert "cret" not in sentence.replace("secret", "")


def test_lower_number_that_arrives_late(run, folder, database):
    migrations = folder / "migrations"
    (migrations / "00005_five.sql").write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    assert run(f"./{ENGINE}", "up", cwd=folder, env=database).returncode == 0
    (migrations / "00003_three.sql").write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    late = run(f"./{ENGINE}", "up", cwd=folder, env=database)
    assert late.returncode == 5
    assert "00003_three.sql" in late.stderr
    assert database.value("SELECT count(*) FROM goose_db_version WHERE version_id = 3") == 0


def test_applied_migration_whose_file_is_gone(run, folder, database):
    assert run(f"./{ENGINE}", "up", cwd=folder, env=database).returncode == 0
    (folder / "migrations/00001_init_schema.sql").rename(folder / "migrations/00002_init_schema.sql")
    for command in ("up", "down"):
        result = run(f"./{ENGINE}", command, cwd=folder, env=database)
        assert result.returncode == 5, result.stderr
        assert "00001" in result.stderr
    assert database.value("SELECT to_regclass('schema_metadata')") is not None


def test_down_of_a_migration_without_down_is_refused(run, folder, database):
    (folder / "migrations/00002_final.sql").write_text("-- +goose Up\nCREATE TABLE final ();\n")
    assert run(f"./{ENGINE}", "up", cwd=folder, env=database).returncode == 0
    refused = run(f"./{ENGINE}", "down", cwd=folder, env=database)
    assert refused.returncode == 1, refused.stderr
    assert "00002_final.sql" in refused.stderr
    assert database.value("SELECT max(version_id) FROM goose_db_version") == 2


@pytest.fixture
def without_go(tmp_path) -> Path:
    """A folder with all that the build needs but Go."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh", "sed", "dirname", "cat", "mv", "rm", "env", "cut", "awk", "grep", "mkdir", "mktemp"):
        (programs / name).symlink_to(shutil.which(name))
    return programs


def test_machine_without_go(run, generate, without_go):
    result = run("make", "migrate-validate", cwd=generate("avion-auth"), env={"PATH": str(without_go)})
    assert result.returncode == 2
    assert re.search(r"^migrate: .*Go .*\.", result.stderr, re.MULTILINE), result.stderr


def test_go_that_is_too_old(run, generate, without_go):
    old = without_go / "go"
    old.write_text("#!/bin/sh\ncase $2 in GOVERSION) echo go1.21.0 ;; GOTOOLCHAIN) echo local ;; esac\n")
    old.chmod(0o755)
    result = run("make", "migrate-validate", cwd=generate("avion-auth"), env={"PATH": str(without_go)})
    assert result.returncode == 2
    assert "1.21.0" in result.stderr
    assert "1.26" in result.stderr


def test_copier_that_is_too_old(template, tmp_path, monkeypatch):
    monkeypatch.setattr("copier._template.copier_version", lambda: Version("9.18.2"))
    with pytest.raises(UnsupportedVersionError, match=r"9\.19\.0"):
        run_copy(str(template), tmp_path / "avion-auth", defaults=True, quiet=True)
    assert not (tmp_path / "avion-auth").exists()
