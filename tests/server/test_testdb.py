"""A test has a migrated database of its own, however many there are at once, and nothing of it stays."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from dev.toolchain import command
from dev.toolchain.install import search_path
from tests.amounts import both_ends, others_slow
from tests.conftest import DEV
from tests.documentation import blocks

PAGE = "docs/how-to/test-database.md"
COPIES = r"SELECT count(*) FROM pg_database WHERE datname ~ '_testdb_[0-9]{10}_'"
TEMPLATES = r"SELECT count(*) FROM pg_database WHERE datname ~ '_testdb_template_'"
MODULE = """module example.com/avion-auth

go 1.26.0

require github.com/jackc/pgx/v5 {pgx}
"""


@pytest.fixture
def folder(service, database):
    """A service, whose templates and copies are gone from the server after the test."""
    folder = service("avion-auth")
    yield folder
    for (name,) in database.query(r"SELECT datname FROM pg_database WHERE datname ~ '_testdb_'"):
        database.query(f'DROP DATABASE "{name}" WITH (FORCE)')


def has_pg_dump(major: str) -> bool:
    """Whether the engine finds the one that fits; what the tests bring is the newest."""
    places = (search_path(), f"/usr/lib/postgresql/{major}/bin")
    programs = filter(None, (shutil.which("pg_dump", path=place) for place in places))
    return any(f" {major}." in command.run(program, "--version", cwd="/").stdout for program in programs)


def start(folder, database, *flags: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [folder / DEV, "testdb", "--wait", *flags],
        cwd=folder,
        env=command.environment({**database, "MIGRATION_CONNECT_TIMEOUT": "120", "MIGRATION_LOCK_TIMEOUT": "120"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def use(url: str) -> None:
    """What a test does: it writes, and sees nothing of another's. All sessions of the server may be taken for a moment."""
    for _ in range(600):
        try:
            with psycopg.connect(url) as connection:
                connection.execute("CREATE TABLE mine (id int)")
                return
        except psycopg.OperationalError as error:
            if "too many clients" not in str(error) and "remaining connection slots" not in str(error):
                raise
            time.sleep(random.uniform(0, 0.2))
    raise AssertionError(f"no session for {url}")


@both_ends
@pytest.mark.parametrize("tests", others_slow([40, 200], 1))
def test_many_at_once_and_some_are_killed(postgres, folder, database, tests):
    survivors, failed = [], []

    def test(number: int) -> None:
        process = start(folder, database)
        url = process.stdout.readline().strip()
        if number % 10 == 3:
            process.kill()
            process.communicate()
            return
        try:
            use(url)
            if number % 10 == 7:
                process.send_signal(signal.SIGTERM)
            said = process.communicate()[1]
            survivors.append(url)
            if process.returncode:
                failed.append(said)
        except Exception as error:
            failed.append(f"{error}: {process.communicate()[1]}")

    threads = [threading.Thread(target=test, args=(number,)) for number in range(tests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(survivors)) == tests - tests // 10
    assert database.value(TEMPLATES) == 1
    assert database.value(COPIES) == tests // 10


def test_what_was_killed_in_the_middle_goes_with_its_time(folder, database, run):
    for _ in range(8):
        process = start(folder, database, "--keep=1s")
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 60
    while database.value(COPIES) and time.monotonic() < deadline:
        time.sleep(1)
        done = run(folder / DEV, "testdb", "--wait", cwd=folder, env=database)
        assert done.returncode == 0, done.stderr
    assert database.value(COPIES) == 0


def test_the_page_is_right_about_go(folder, database, engine, run):
    go, *_ = blocks(PAGE)
    pgx = re.search(r"github.com/jackc/pgx/v5 (v\S+)", (folder / "tools/migrate/go.mod").read_text())[1]
    # A service may be written in an older Go than its engine.
    (folder / "go.mod").write_text("module example.com/avion-auth\n\ngo 1.16\n")
    assert run("go", "vet", "./internal/testdb", cwd=folder).returncode == 0
    (folder / "go.mod").write_text(MODULE.format(pgx=pgx))
    (folder / "internal/users").mkdir()
    (folder / "internal/users/users_test.go").write_text(go.code)
    environment = {**database, "GOFLAGS": "-mod=mod", "GOWORK": "off"}

    def test() -> str:
        result = run("go", "test", "./...", cwd=folder, env=environment, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
        assert database.value(COPIES) == 0
        return result.stdout

    assert run("gofmt", "-l", ".", cwd=folder).stdout == ""
    test()
    # Go remembers nothing that has read a file of the last two seconds.
    old = time.time() - 60
    for file in folder.rglob("*"):
        os.utime(file, (old, old))
    test()
    assert "(cached)" in test()
    (folder / "migrations/00002_a.sql").write_text("-- +goose Up\nCREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;\n")
    assert "(cached)" not in test()
    (folder / "migrations/00003_b.sql").write_text("-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n")
    result = run("go", "test", "./...", cwd=folder, env=environment, timeout=600)
    assert result.returncode == 1
    assert "00003_b.sql" in result.stdout


def test_the_page_is_right_about_other_languages(folder, database, run):
    _, python, shell = blocks(PAGE)
    code = python.code.replace("# … the test …", "print(url)")
    printed = run("python3", "-c", code, cwd=folder, env=database)
    assert printed.returncode == 0, printed.stderr
    assert database["DB_PASSWORD"] not in printed.stdout
    assert database.value(COPIES) == 0
    result = run("bash", "-ec", shell.code, cwd=folder, env=database)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^\s+[1-9]", result.stdout, re.MULTILINE)
    assert database.value(COPIES) == 1


@both_ends
def test_the_schema_is_a_file_that_make_writes_and_compares(postgres, folder, database, run):
    if not has_pg_dump(postgres.major):
        pytest.skip(f"this machine has no pg_dump of PostgreSQL {postgres.major}")
    wrote = run("make", "migrate-schema", cwd=folder, env=database)
    assert wrote.returncode == 0, wrote.stderr
    text = (folder / "schema.sql").read_text()
    assert "CREATE TABLE public.schema_metadata" in text
    assert run("make", "migrate-schema", "CHECK=true", cwd=folder, env=database).returncode == 0
    (folder / "schema.sql").write_text(text.replace("schema_metadata", "metadata"))
    stale = run("make", "migrate-schema", "CHECK=true", cwd=folder, env=database)
    assert stale.returncode == 2
    assert "schema.sql is not what the migrations make" in stale.stderr
    assert database.value(COPIES) == 0
    # What is written makes the same schema again.
    (folder / "schema.sql").write_text(text)
    database.query(text.replace("CREATE SCHEMA public;", ""))
    assert database.value("SELECT to_regclass('public.schema_metadata') IS NOT NULL")
