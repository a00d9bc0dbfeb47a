"""`make migrate-check` accepts what can be undone, refuses what cannot, and leaves nothing behind."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dev.toolchain import command
from dev.toolchain.install import ROOT
from tests.amounts import both_ends, every_major
from tests.conftest import DEV

EXAMPLES = sorted((ROOT / "includes/documents/examples").glob("*.sql"))
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


@every_major
def test_examples_of_the_guide_can_be_undone(check, service):
    folder = service("avion-auth")
    for example in EXAMPLES:
        shutil.copy(example, folder / "migrations")
    result = check(folder=folder)
    assert result.returncode == 0, result.stderr
    assert f"{len(EXAMPLES) + 1} migrations can be applied, rolled back and applied again" in result.stderr


@both_ends
def test_what_down_forgets_is_shown(check):
    result = check("CREATE TABLE a (id bigint PRIMARY KEY);\nCREATE TYPE mood AS ENUM ('calm');", "DROP TABLE a;")
    assert "Error 3" in result.stderr
    assert "+enum public.mood\n+    owner avion_auth\n+    values 'calm'\n" in result.stderr
    assert "00002_new.sql does not undo in Down what it does in Up" in result.stderr
    assert "table public.a" not in result.stderr


def test_locks_are_measured_and_summed_up_for_the_job(check, tmp_path):
    summary = tmp_path / "summary.md"
    up = "ALTER TABLE schema_metadata ADD COLUMN note text;"
    result = check(up, "ALTER TABLE schema_metadata DROP COLUMN note;", GITHUB_STEP_SUMMARY=str(summary))
    assert result.returncode == 0, result.stderr
    assert re.search(
        r"^ok 00002_new.sql: up, down, up \(\d+ ms; schema_metadata ACCESS EXCLUSIVE\)$", result.stderr, re.M
    )
    text = summary.read_text()
    assert re.search(
        r"^\| 00002_new.sql \| \d+ ms \| yes \| schema\\_metadata ACCESS EXCLUSIVE \| reads and writes \|$", text, re.M
    )
    assert text.endswith("**Passed.**\n\n")


def test_new_migrations_are_tried_on_top_of_the_base_branch(check, service, git):
    folder = service("avion-auth")
    table = "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"
    (folder / "migrations/00002_a.sql").write_text(table)
    seed = "-- +goose Up\nINSERT INTO a (id) VALUES (1);\n-- +goose Down\nDELETE FROM a;\n"
    (folder / "migrations-seed/00002_a.sql").write_text(seed)
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message=main", cwd=folder)
    column = "-- +goose Up\nALTER TABLE a ADD COLUMN b int {};\n-- +goose Down\nALTER TABLE a DROP COLUMN b;\n"
    (folder / "migrations/00003_b.sql").write_text(column.format("NOT NULL"))
    (folder / "migrations-seed/00002_a.sql").write_text(seed.replace("(id) VALUES (1)", "VALUES (1, 2)"))
    assert check(folder=folder).returncode == 0
    refused = check(folder=folder, BASE="main")
    assert "Error 3" in refused.stderr
    assert "on top of main: migrations/00003_b.sql failed" in refused.stderr
    (folder / "migrations/00003_b.sql").write_text(column.format(""))
    accepted = check(folder=folder, BASE="main")
    assert "ok up on top of main\nok two runners at once\n" in accepted.stderr


def test_it_is_refused_where_data_counts(check):
    for environment in ("staging", "production", "prodution", ""):
        assert "Error 1" in check(ENVIRONMENT=environment).stderr


@pytest.fixture
def sleeping(service, database):
    """sleeping(folder): a check that stands in the middle of a migration."""
    query = """
        SELECT datname FROM pg_stat_activity
        WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND datname <> current_database()
    """

    def sleeping() -> tuple[Path, subprocess.Popen]:
        folder = service("avion-auth")
        text = "-- +goose Up\nSELECT pg_sleep(60);\n-- +goose Down\nSELECT 1;\n"
        (folder / "migrations/00002_sleep.sql").write_text(text)
        before = database.query(query)
        running = subprocess.Popen(
            [folder / DEV, "check"], cwd=folder, env=command.environment(database), stderr=subprocess.PIPE, text=True
        )
        # A database of its own: sessions come and go while a check finds its way to the migration.
        while set(database.query(query)) <= set(before):
            assert running.poll() is None
            time.sleep(0.05)
        return folder, running

    return sleeping


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_tidies_up_when_it_is_interrupted(sleeping, database, end):
    _, running = sleeping()
    assert database.value(LEFT) == 1
    running.send_signal(end)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 3
    assert "was interrupted" in stderr
    assert database.value(LEFT) == 0


@both_ends
def test_the_next_check_tidies_up_after_one_that_was_killed(run, sleeping, database):
    folder, killed = sleeping()
    _, alive = sleeping()
    killed.kill()
    killed.communicate()
    assert database.value(LEFT) == 2
    time.sleep(4)  # the server finds out that nobody waits for the answer any more
    (folder / "migrations/00002_sleep.sql").unlink()
    result = run("make", "migrate-check", cwd=folder, env=database)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("left by a check that was killed") == 1
    assert database.value(LEFT) == 1
    assert alive.poll() is None
    alive.terminate()
    alive.communicate(timeout=30)
    assert database.value(LEFT) == 0
