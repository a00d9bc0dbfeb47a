"""The engine's own tests, on a real server, and the linters of Go."""

import pytest

from tests.toolchain.install import ROOT

ENGINE = ROOT / "template/tools/migrate"


@pytest.fixture
def go(run):
    def go(*arguments: str, env: dict[str, str] | None = None, timeout: float = 900) -> str:
        result = run(*arguments, cwd=ENGINE, env={"GOFLAGS": "-mod=readonly", **(env or {})}, timeout=timeout)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return go


def test_formatted(go):
    assert go("gofmt", "-l", ".") == ""


def test_vet(go):
    go("go", "vet", "./...")


def test_staticcheck(go):
    go("staticcheck", "-checks=all,-ST1000", "./...")


def test_modules_are_tidy(go):
    go("go", "mod", "tidy", "-diff")


def test_unit_and_database_tests(go, postgres_server, certificate):
    superuser = postgres_server(certificate=certificate).connection()
    url = "postgres://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}?sslmode=disable".format(**superuser)
    go("go", "test", "./...", env={"MIGRATE_TEST_DATABASE_URL": url})
