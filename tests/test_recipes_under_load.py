"""An application that writes all the time neither fails, nor waits, nor loses a row while a recipe is applied."""

import shutil
import time

import pytest

from tests.load import LONGEST_WAIT, Load
from tests.toolchain.install import ROOT

ROWS = 100_000

both_ends = pytest.mark.parametrize("postgres", ["15", "18"], indirect=True)


@pytest.fixture
def stamped(engine, run, database, tmp_path):
    """stamped("concurrent_index", {"STEP": "create", …}, …): a migrated service with these steps still to be applied."""

    def stamped(recipe: str, *steps: dict[str, str]):
        folder = shutil.copytree(engine.parents[3], tmp_path / "avion-auth")
        shutil.copy(ROOT / f"tests/recipes/{recipe}.sql", folder / "migrations/00002_before.sql")
        assert run(engine, "up", cwd=folder, env=database).returncode == 0
        for step in steps:
            written = run(engine, "create", f"--recipe={recipe}", f"--step={step.pop('STEP')}", cwd=folder, env=step)
            assert written.returncode == 0, written.stderr
        return folder

    return stamped


@both_ends
def test_concurrent_index(stamped, engine, run, database, postgres):
    columns = {"TABLE": "posts", "COLUMNS": "account_id, id"}
    folder = stamped(
        "concurrent_index",
        {"STEP": "create", "TABLE": "posts", "COLUMNS": "created_at"},
        {"STEP": "replace", "OLD": "posts_account_id_idx", "OLD_COLUMNS": "account_id", **columns},
        {"STEP": "drop", "TABLE": "posts", "COLUMNS": "created_at"},
    )
    database.query("INSERT INTO posts (account_id) SELECT mod(n, 1000) FROM generate_series(1, %s) n", ROWS)

    def write(connection, number):
        connection.execute("INSERT INTO posts (account_id) VALUES (%s)", [number])
        connection.execute("UPDATE posts SET deleted_at = now() WHERE id = %s", [number])

    with Load(database, write) as load:
        with load.phase("before"):
            time.sleep(1)
        with load.phase("up"):
            result = run(engine, "up", cwd=folder, env=database)
        assert result.returncode == 0, result.stderr
        with load.phase("down"):
            result = run(engine, "to", "2", cwd=folder, env=database)
        assert result.returncode == 0, result.stderr
    load.report("concurrent_index")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert database.value("SELECT count(*) FROM posts") == ROWS + load.done
    assert database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


def test_index_that_cannot_be_built_is_built_again_once_it_can(stamped, engine, run, database):
    folder = stamped(
        "concurrent_index",
        {
            "STEP": "replace",
            "TABLE": "posts",
            "COLUMNS": "account_id",
            "INDEX": "posts_account_id_key",
            "UNIQUE": "yes",
            "OLD": "posts_account_id_idx",
            "OLD_COLUMNS": "account_id",
        },
    )
    database.query("INSERT INTO posts (account_id) VALUES (1), (1)")
    failed = run(engine, "up", cwd=folder, env=database)
    assert failed.returncode == 3
    assert "posts_account_id_key is INVALID now" in failed.stderr
    assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'posts_account_id_idx'::regclass")
    database.query("DELETE FROM posts WHERE id = 2")
    assert run(engine, "up", cwd=folder, env=database).returncode == 0
    assert database.query("SELECT indexname FROM pg_indexes WHERE tablename = 'posts' ORDER BY 1") == [
        ("posts_account_id_key",),
        ("posts_pkey",),
    ]
