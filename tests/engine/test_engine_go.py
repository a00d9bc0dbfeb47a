"""The engine's own tests and those of its worker, on a real server, and the linters of Go."""

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from dev.toolchain import install
from dev.toolchain.engine import COMPILED, STATIC
from dev.toolchain.install import ROOT
from dev.toolchain.postgres import Server
from tests.amounts import MAJORS, NEWEST, OLDEST

ENGINE = ROOT / "engine"

# The packages that say no, and the least share of their statements that the tests run.
GUARDS = ("environment", "history", "connection")
COVERED = 0.9


@pytest.fixture
def go(run):
    def go(*arguments: str | Path, env: dict[str, str] | None = None, timeout: float = 900) -> str:
        result = run(*arguments, cwd=ENGINE, env={"GOFLAGS": "-mod=readonly", **(env or {})}, timeout=timeout)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return go


def test_formatted(go):
    assert go("gofmt", "-l", ".") == ""


@pytest.mark.slow
def test_linters_have_no_objection(go):
    go(install.golangci_lint(), "run", "./...")


def test_modules_are_tidy(go):
    go("go", "mod", "tidy", "-diff")


def address(server) -> dict[str, str]:
    superuser = server.connection()
    url = "postgres://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}?sslmode=disable".format(**superuser)
    return {"MIGRATE_TEST_DATABASE_URL": url}


def test_unit_and_database_tests_pass_and_vet_has_no_objection(go, certificate):
    # Always at the same address, because Go remembers what passed with the same sources and the same environment; and
    # compiled as build.sh does it, because it remembers that, too.
    with Server(OLDEST, certificate, port=54315, password="of-the-tests-in-go") as server:
        go("go", "test", *COMPILED, "-vet=all", "./...", env={**STATIC, **address(server)})


@pytest.mark.slow
def test_the_cases_are_judged_and_measured_right_on_the_newest_server(go, postgres_server):
    verdict = go(
        *("go", "test", "-v", "-run=Measured", "./internal/lint"),
        env=address(postgres_server(NEWEST)),
    )
    for passed in ("TheCasesAreJudgedAndMeasuredRight", "TheGuidesTableIsMeasured"):
        assert f"--- PASS: Test{passed}" in verdict


@pytest.mark.slow
def test_no_race_is_found_and_the_guards_are_covered(go, postgres_server, certificate, tmp_path):
    profile = tmp_path / "coverage"
    go(
        *("go", "test", f"-coverprofile={profile}", "-covermode=atomic"),
        "-coverpkg=" + ",".join(f"./internal/{name}" for name in GUARDS),
        # The race detector needs a C compiler, which not every machine has.
        *(["-race"] if shutil.which("cc") else []),
        "./...",
        env=address(postgres_server(certificate=certificate)),
    )
    shares = coverage(profile.read_text())
    assert set(shares) == set(GUARDS)
    assert min(shares.values()) >= COVERED, shares


@pytest.mark.soak
@pytest.mark.parametrize("major", MAJORS)
def test_nothing_runs_twice_however_often_a_run_is_ended(go, postgres_server, major):
    verdict = go(
        *(
            "go",
            "test",
            "-count=1",
            "-v",
            "-timeout=55m",
            "-run=HoweverOften",
            "./internal/stepwise",
            "./internal/operate",
        ),
        env={**address(postgres_server(major)), "MIGRATE_TEST_KILLS": "200"},
        timeout=3600,
    )
    assert verdict.count("--- PASS: TestNothingRunsTwiceHoweverOften") == 2


def coverage(profile: str) -> dict[str, float]:
    """The share of statements that ran in each package; several test programs report on the same block."""
    statements: dict[str, int] = {}
    ran: dict[str, bool] = defaultdict(bool)
    for line in profile.splitlines()[1:]:
        block, count, hits = line.rsplit(" ", 2)
        statements[block] = int(count)
        ran[block] |= int(hits) > 0
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for block, count in statements.items():
        package = block.split("/internal/")[1].split("/")[0]
        totals[package][0] += count * ran[block]
        totals[package][1] += count
    return {package: covered / total for package, (covered, total) in totals.items()}
