"""Where a machine has no pg_dump of the server's major version, the server runs its own: in a container, in CI, in compose."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.toolchain import command
from dev.toolchain.install import search_path
from dev.toolchain.postgres import Server
from tests.amounts import MAJORS
from tests.conftest import DEV, Database

# One whose pg_dump no machine has: those of distributions are for older ones, that of the tests is for the newest.
MAJOR = next(major for major in reversed(MAJORS[:-1]) if not Path(f"/usr/lib/postgresql/{major}").exists())
LOCAL = """
local all all {method}
host all all 127.0.0.1/32 scram-sha-256
"""


class Image(Server):
    """A server as its image sets one up: with a pg_dump of its own, and a superuser who is asked for no password inside."""

    def _usable_programs(self, installed: Path) -> Path:
        folder = self._home / "image"
        shutil.copytree(installed, folder, symlinks=True)
        # Only the newest can be had, which reads older servers, too; it looks for its libraries beside its package.
        newest = Path(shutil.which("pg_dump", path=search_path())).resolve()
        package = newest.parents[2]
        for part in package.parent.glob(f"{package.name}*"):
            shutil.copytree(part, self._home / part.name, symlinks=True)
        program = folder / "bin/pg_dump"
        program.write_text(f'#!/bin/sh\nexec "{self._home / newest.relative_to(package.parent)}" "$@"\n')
        program.chmod(0o755)
        self._give_away(*(path for path in self._home.rglob("*") if path.is_dir()))
        return folder

    def ask_inside(self, method: str) -> None:
        (self._data / "pg_hba.conf").write_text(LOCAL.format(method=method))
        self.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with Image(MAJOR) as server:
        server.ask_inside("trust")
        yield server


@pytest.fixture
def database(image) -> Iterator[Database]:
    database = Database(image, f"it's_{secrets.token_hex(4)}", f"owner_{secrets.token_hex(4)}")
    image.create_database(database["DB_NAME"], database["DB_USER"], database["DB_PASSWORD"])
    image.execute('ALTER ROLE :"owner" SUPERUSER', owner=database["DB_USER"])
    yield database
    image.drop_database(database["DB_NAME"], database["DB_USER"])


def schema(service: Path, database: Database, *flags: str) -> command.Ended:
    return command.run(DEV, "schema", *flags, cwd=service, env={"ENVIRONMENT": "test", **database})


def test_schema_is_the_one_that_pg_dump_writes(service, database):
    folder = service()
    (folder / "migrations/00002_comment.sql").write_text(
        "-- +goose Up\nCOMMENT ON TABLE schema_metadata IS E'ü\\t''\"%s\\n\\\\.\\r\\n';\n\n"
        "-- +goose Down\nCOMMENT ON TABLE schema_metadata IS NULL;\n"
    )
    written = schema(folder, database)
    assert written.returncode == 0, written.stderr
    text = (folder / "schema.sql").read_bytes().decode()
    assert text.startswith(f"-- What the migrations make on PostgreSQL {MAJOR};")
    assert "COMMENT ON TABLE public.schema_metadata IS 'ü\t''\"%s\n\\.\r\n';\n" in text
    assert "restrict " not in text
    assert "CREATE TABLE public.schema_metadata" in text
    assert schema(folder, database, "--check").returncode == 0
    (folder / "migrations/00003_g.sql").write_text(
        "-- +goose Up\nCREATE TABLE g ();\n\n-- +goose Down\nDROP TABLE g;\n"
    )
    assert schema(folder, database, "--check").returncode == 1


@pytest.mark.parametrize(
    ("rights", "method", "reason"),
    [("NOSUPERUSER", "trust", "permission denied"), ("SUPERUSER", "scram-sha-256", "the server's log says why")],
)
def test_a_server_that_does_not_run_it_says_why_and_what_to_install(service, database, image, rights, method, reason):
    image.execute(f'ALTER ROLE :"owner" {rights}', owner=database["DB_USER"])
    image.ask_inside(method)
    try:
        refused = schema(service(), database)
    finally:
        image.ask_inside("trust")
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert f"postgresql-client-{MAJOR}" in refused.stderr
    assert database["DB_PASSWORD"] not in image.log()
