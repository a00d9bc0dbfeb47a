"""`make migrate-check` accepts what can be undone, refuses what cannot, and leaves nothing behind."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ENGINE
from tests.toolchain import command
from tests.toolchain.install import ROOT

EXAMPLES = sorted((ROOT / "documents/examples").glob("*.sql"))
LEFT = "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_check\\_%'"


@pytest.fixture
def check(run, service, database):
    """check(up, down): in a service with one migration more; make's result. Nothing of it may be left."""

    def check(up: str = "", down: str = "", folder: Path | None = None, **variables: str):
        folder = folder or service("avion-auth")
        if up:
            (folder / "migrations/00002_new.sql").write_text(f"-- +goose Up\n{up}\n\n-- +goose Down\n{down}\n")
        result = run("make", "migrate-check", cwd=folder, env={**database, **variables})
        assert database.value(LEFT) == 0
        assert database.value("SELECT to_regclass('goose_db_version')") is None
        return result

    return check


@pytest.mark.parametrize("postgres", ["15", "16", "17", "18"], indirect=True)
def test_examples_of_the_guide_can_be_undone(check, service):
    folder = service("avion-auth")
    for example in EXAMPLES:
        shutil.copy(example, folder / "migrations")
    result = check(folder=folder)
    assert result.returncode == 0, result.stderr
    assert f"{len(EXAMPLES) + 1} migrations can be applied, rolled back and applied again" in result.stderr


@pytest.mark.parametrize("postgres", ["15", "18"], indirect=True)
def test_what_down_forgets_is_shown(check):
    result = check("CREATE TABLE a (id bigint PRIMARY KEY);\nCREATE TYPE mood AS ENUM ('calm');", "DROP TABLE a;")
    assert "Error 3" in result.stderr
    assert "+enum public.mood\n+    owner avion_auth\n+    values 'calm'\n" in result.stderr
    assert "00002_new.sql does not undo in Down what it does in Up" in result.stderr
    assert "table public.a" not in result.stderr


def test_it_is_refused_where_data_counts(check):
    for environment in ("staging", "production", "prodution", ""):
        assert "Error 1" in check(ENVIRONMENT=environment).stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_tidies_up_when_it_is_interrupted(service, database, end):
    folder = service("avion-auth")
    sleeping = "-- +goose Up\nSELECT pg_sleep(60);\n-- +goose Down\nSELECT 1;\n"
    (folder / "migrations/00002_sleep.sql").write_text(sleeping)
    running = subprocess.Popen(
        [folder / ENGINE, "check"], cwd=folder, env=command.environment(database), stderr=subprocess.PIPE, text=True
    )
    while database.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'") == 0:
        time.sleep(0.05)
    assert database.value(LEFT) == 1
    running.send_signal(end)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 3
    assert "was interrupted" in stderr
    assert database.value(LEFT) == 0
