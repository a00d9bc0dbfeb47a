"""An application that writes all the time neither fails, nor waits, nor loses a row while a recipe is applied."""

import random
import shutil
import threading
import time

import pytest

from dev import recipes
from dev.toolchain.install import ROOT
from tests.amounts import both_ends
from tests.load import LONGEST_WAIT, Load

ROWS = 100_000


@pytest.fixture
def stamped(engine, run, database, tmp_path):
    """stamped("concurrent_index", {"STEP": "create", …}, …): a migrated service with these steps still to be applied."""

    def stamped(recipe: str, *steps: dict[str, str]):
        folder = shutil.copytree(engine.parents[3], tmp_path / "avion-auth")
        (folder / "migrations/00002_before.sql").write_text(recipes.tables(ROOT, recipe))
        assert run(engine, "up", cwd=folder, env=database).returncode == 0
        for step in steps:
            written = run(
                engine.with_name("migrate-dev"),
                "create",
                f"--recipe={recipe}",
                f"--step={step.pop('STEP')}",
                cwd=folder,
                env=step,
            )
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


MOVE = {
    "TABLE": "accounts",
    "OLD": "user_name",
    "NEW": "screen_name",
    "TYPE": "text",
    "USING": "lower(user_name)",
    "OLD_TYPE": "text",
    "NOT_NULL": "yes",
}
STAGES = ("expand", "dual_write", "backfill", "verify", "switch", "contract")
STAGE = """
    SELECT description FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
    WHERE attrelid = 'accounts'::regclass"""


@pytest.fixture
def moving(stamped, engine, run, database):
    """moving(SWAP="yes"): a service with a full table and every stage of a move; to("switch") goes there."""

    def moving(**options: str):
        folder = stamped("staged_move", *({"STEP": stage, **MOVE, **options} for stage in STAGES))
        database.query("INSERT INTO accounts (user_name) SELECT 'User ' || n FROM generate_series(1, %s) n", ROWS // 5)

        def to(stage: str) -> None:
            if stage == "backfill":
                result = run(engine, "backfill", "accounts_screen_name", cwd=folder, env=database)
            else:
                (file,) = (folder / "migrations").glob(f"*_{stage}_accounts_screen_name.sql")
                result = run(engine, "to", file.name.partition("_")[0], cwd=folder, env=database)
            assert result.returncode == 0, result.stderr

        return to

    return moving


def old_application(connection, number):
    connection.execute("INSERT INTO accounts (user_name) VALUES (%s)", [f"Old {number}"])
    connection.execute("UPDATE accounts SET user_name = %s WHERE id = %s", [f"Changed {number}", number])


def new_application(connection, number):
    connection.execute("INSERT INTO accounts (screen_name) VALUES (%s)", [f"new {number}"])
    connection.execute("UPDATE accounts SET screen_name = %s WHERE id = %s", [f"changed {number}", number])


@pytest.mark.slow
@both_ends
def test_staged_move(moving, database, postgres):
    to = moving()
    differing = "SELECT count(*) FROM accounts WHERE screen_name IS DISTINCT FROM lower(user_name)"
    with Load(database, old_application) as old:
        with old.phase("before"):
            time.sleep(1)
        for stage in STAGES[:4]:
            with old.phase(stage):
                to(stage)
        assert database.query(STAGE) == [("staged_move from user_name: 4 verify",)]
        with old.phase("switch"):
            to("switch")
        with Load(database, new_application) as new, new.phase("both"):
            time.sleep(1)
    assert database.value(differing) == 0
    to("dual_write")  # the new application was a mistake: the old one finds what it wrote
    assert database.value("SELECT count(*) FROM accounts WHERE user_name LIKE %s", "new %") == new.done
    to("switch")
    with Load(database, new_application) as contracted, contracted.phase("contract"):
        to("contract")
    old.report("staged_move")
    for load in (old, new, contracted):
        assert load.errors == []
        assert load.longest <= LONGEST_WAIT
    assert database.value("SELECT count(*) FROM accounts") == ROWS // 5 + old.done + new.done + contracted.done
    assert database.query(STAGE) == []
    to("switch")  # which production refuses
    assert database.value(differing) == 0


@pytest.mark.slow
@both_ends
def test_staged_move_under_the_same_name(moving, database, postgres):
    to = moving(SWAP="yes")
    with Load(database, old_application) as load:
        with load.phase("before"):
            time.sleep(1)
        for stage in STAGES:
            with load.phase(stage):
                to(stage)
    load.report("staged_move with SWAP=yes")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert database.value("SELECT count(*) FROM accounts") == ROWS // 5 + load.done
    to("switch")
    assert database.value("SELECT count(*) FROM accounts WHERE user_name_old IS DISTINCT FROM user_name") == 0


@pytest.mark.slow
def test_a_move_that_misses_a_row_is_not_verified(moving, database):
    to = moving()
    to("dual_write")
    to("backfill")
    with database.connect() as connection:
        connection.execute("ALTER TABLE accounts DISABLE TRIGGER USER")
        connection.execute("UPDATE accounts SET user_name = 'behind the back' WHERE id = 7")
        connection.execute("ALTER TABLE accounts ENABLE TRIGGER USER")
    with pytest.raises(AssertionError, match="have another screen_name than follows from user_name"):
        to("verify")
    database.query("UPDATE accounts SET user_name = user_name WHERE id = 7")
    to("verify")


@pytest.mark.slow
def test_nobody_waits_longer_than_a_migration_waits_for_its_lock(moving, database):
    to = moving()
    reading = threading.Event()

    def read_slowly() -> None:
        with database.connect() as connection, connection.transaction():
            connection.execute("SELECT count(*) FROM accounts")
            reading.set()
            time.sleep(4)

    with Load(database, old_application) as load:
        reader = threading.Thread(target=read_slowly)
        reader.start()
        reading.wait(timeout=10)
        to("expand")
        reader.join()
    assert load.errors == []
    assert 2 < load.longest <= LONGEST_WAIT


@pytest.mark.slow
@both_ends
def test_staged_constraint(stamped, engine, run, database, postgres):
    foreign_key = {"TABLE": "follows", "COLUMN": "account_id", "REFERENCES": "accounts", "ON_DELETE": "CASCADE"}
    check = {"TABLE": "follows", "CHECK": "account_id <> target_id"}
    folder = stamped(
        "staged_constraint",
        {"STEP": "foreign_key", **foreign_key},
        {"STEP": "check", **check},
        {"STEP": "orphans", **foreign_key},
        {"STEP": "validate_foreign_key", **foreign_key},
        {"STEP": "validate_check", **check},
    )
    database.query("INSERT INTO accounts SELECT FROM generate_series(1, 1000)")
    database.query("INSERT INTO follows (account_id, target_id) SELECT n, 0 FROM generate_series(1, 2000) n")

    def follow(connection, number):
        connection.execute("INSERT INTO follows (account_id, target_id) VALUES (%s, 0)", [number % 500 + 1])
        connection.execute("DELETE FROM accounts WHERE id = %s", [1000 - number % 400])

    with Load(database, follow) as load:
        with load.phase("before"):
            time.sleep(1)
        for command in (["to", "4"], ["backfill", "follows_account_id_orphans"], ["up"]):
            with load.phase(command[0]):
                result = run(engine, *command, cwd=folder, env=database)
            assert result.returncode == 0, result.stderr
    load.report("staged_constraint")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert database.value("SELECT count(*) FROM follows WHERE account_id <= 500") == 500 + load.done
    assert database.value("SELECT count(*) FROM follows WHERE account_id NOT IN (SELECT id FROM accounts)") == 0


@pytest.mark.slow
@both_ends
def test_recount(stamped, engine, run, database, postgres):
    """Every reaction counts itself in the transaction that writes it; the counts from before are wrong."""
    variables = {"TABLE": "drops", "COUNT": "reaction_count", "ROWS": "reactions", "REFERENCE": "drop_id"}
    steps = ({"STEP": step, **variables} for step in ("function", "recount"))
    folder = stamped("recount", *steps)
    database.query("INSERT INTO drops (reaction_count) SELECT 7 FROM generate_series(1, 2000)")
    database.query("INSERT INTO reactions (drop_id) SELECT 1 + mod(n, 2000) FROM generate_series(1, 10000) n")
    assert run(engine, "up", cwd=folder, env=database).returncode == 0

    def react(connection, number):
        drop = random.randrange(1, 2001)
        with connection.transaction():
            connection.execute("INSERT INTO reactions (drop_id) VALUES (%s)", [drop])
            connection.execute("UPDATE drops SET reaction_count = reaction_count + 1 WHERE id = %s", [drop])

    with Load(database, react, sessions=8, rest=0) as load:
        with load.phase("before"):
            time.sleep(1)
        with load.phase("recount"):
            result = run(engine, "backfill", "--unthrottled", "drops_reaction_count", cwd=folder, env=database)
        assert result.returncode == 0, result.stderr
    load.report("recount")
    assert load.errors == []
    assert load.longest <= LONGEST_WAIT
    assert database.value("SELECT sum(reaction_count) FROM drops") == 10000 + load.done
    assert (
        database.query("""
        SELECT drop_id, count(*), reaction_count FROM reactions JOIN drops ON drops.id = drop_id
        GROUP BY 1, 3 HAVING count(*) <> reaction_count""")
        == []
    )
