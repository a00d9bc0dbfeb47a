"""Every message on the troubleshooting page is brought about here, with the exit code under which the page lists it."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.toolchain.command import environment
from dev.toolchain.install import ROOT
from tests.conftest import DEV, ENGINE, Database, program
from tests.delivery.test_workflow import delete, rename, replace, write

PAGE = (ROOT / "includes/documents/en/migration-troubleshooting.md").read_text()
# The messages by the exit code in the heading above them.
LISTED = {
    message: int(code)
    for code, section in re.findall(r"^### [^\n]*\(exit code (\d+)\)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    for message in re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
}
NEW = "migrations/00002_new.sql"
FIRST = "migrations/00001_init_schema.sql"


def sql(up: str, down: str = "SELECT 1;", *, transaction: bool = True) -> Callable[[Path], object]:
    head = "" if transaction else "-- +goose NO TRANSACTION\n"
    return write(NEW, f"{head}-- +goose Up\n{up}\n\n-- +goose Down\n{down}\n")


def later(name: str) -> Callable[[Path], object]:
    return write(f"migrations/{name}", "-- +goose Up\nSELECT 1;\n\n-- +goose Down\nSELECT 1;\n")


@dataclass
class Scene:
    """A committed service with a database of its own, and what somebody does there."""

    folder: Path
    database: Database
    run: Callable
    git: Callable
    # Lazily, because the fixture fills a whole folder.
    without_squawk: Callable[[], str]

    def engine(self, *arguments: str, **variables: str):
        return self.run(program(arguments[0]), *arguments, cwd=self.folder, env={**self.database, **variables})

    def alone(self, *arguments: str, **variables: str):
        """Without the variables of the database, as on a machine where nobody has set any."""
        return self.run(program(arguments[0]), *arguments, cwd=self.folder, env=variables)

    def make(self, *arguments: str, **variables: str):
        return self.run("make", *arguments, cwd=self.folder, env={**self.database, **variables})

    def ends(self, status: int, *arguments: str) -> "Scene":
        done = self.engine(*arguments)
        assert done.returncode == status, done.stderr
        return self

    def built(self, **variables: str):
        """What build.sh says; it ends as the engine does where that is refused."""
        return self.run("sh", "tools/migrate/build.sh", "migrate", cwd=self.folder, env=variables)

    def edit(self, *edits: Callable[[Path], object]) -> "Scene":
        for edit in edits:
            edit(self.folder)
        return self

    def up(self) -> "Scene":
        done = self.engine("up")
        assert done.returncode == 0, done.stderr
        return self

    def commit(self) -> "Scene":
        self.git("add", "--all", cwd=self.folder)
        self.git("commit", "--quiet", "--allow-empty", "--message=change", cwd=self.folder)
        return self

    def staging(self) -> "Scene":
        """Staging on this machine may do without TLS here, as no service's does."""
        return self.edit(replace(".goose.yml", "staging:\n    ssl_mode: require", "staging: {}"))


SLEEPING = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def await_sleeping(scene: Scene) -> None:
    patience = time.monotonic() + 30
    while not scene.database.value(f"SELECT count(*) {SLEEPING}"):
        assert time.monotonic() < patience
        time.sleep(0.05)


def tell_sleeping(scene: Scene, function: str) -> None:
    scene.database.query(f"SELECT {function}(pid) {SLEEPING}")


def migrating(scene: Scene) -> tuple[str, ...]:
    scene.up().edit(sql("SELECT pg_sleep(30);"))
    return ("up",)


def asleep(
    act: Callable[[Scene, int], object], begin: Callable[[Scene], tuple[str, ...]] = migrating
) -> Callable[[Scene], object]:
    """What becomes of a run when something happens to it while its statement sleeps."""

    def scene_of_it(scene: Scene):
        with subprocess.Popen(
            [ENGINE, *begin(scene)],
            cwd=scene.folder,
            env=environment(scene.database),
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            await_sleeping(scene)
            act(scene, run.pid)
            _, said = run.communicate(timeout=60)
        return subprocess.CompletedProcess(run.args, run.returncode, "", said)

    return scene_of_it


ACCOUNTS = "CREATE TABLE accounts (id bigint PRIMARY KEY, name text, nick text);"
JOB = "migrations/backfill/names.sql"
BACKFILL = (
    "-- backfill: table=schema_metadata key=key\n"
    "UPDATE schema_metadata SET value = value WHERE key >= $1 AND key <= $2;\n"
)


MAINTENANCE = "migrations/maintenance/job.sql"
MAINTAINED = """
CREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz NOT NULL, ended_at timestamptz);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
INSERT INTO sessions VALUES (1, '2020-01-01');
CREATE TABLE log (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE log_2020 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE VIEW slow_holds AS SELECT tstzrange(NULL, NULL) AS held FROM pg_sleep(30);
"""
ROWS = "-- maintenance: kind=delete table=sessions key="
BY_AGE = f"{ROWS}expires_at,id retain=1d"
BY_STATEMENT = f"{ROWS}id\nDELETE FROM sessions WHERE id BETWEEN $1 AND $2"
PARTITIONS = "-- maintenance: kind=partitions table=log column=at every=month ahead=1 retain=400d"


def maintaining(job: str, more: str = "") -> Callable[[Scene], tuple[str, ...]]:
    def begin(scene: Scene) -> tuple[str, ...]:
        (scene.folder / MAINTENANCE).parent.mkdir()
        scene.edit(sql(MAINTAINED + more), write(MAINTENANCE, f"{job}\n")).up()
        return ("maintain", "job")

    return begin


def maintained(job: str, more: str = "") -> Callable[[Scene], object]:
    return lambda s: s.engine(*maintaining(job, more)(s))


def kept_from_maintenance(job: str, lock: str) -> Callable[[Scene], object]:
    def act(scene: Scene):
        command = maintaining(job)(scene)
        with scene.database.connect() as other:
            other.autocommit = False
            other.execute(lock)
            return scene.engine(*command, MIGRATION_RETRY_TIMEOUT="0")

    return act


def folder_instead_of_a_job(scene: Scene):
    (scene.folder / MAINTENANCE).mkdir(parents=True)
    return scene.engine("maintain", "job")


def terminate(_: Scene, pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def lose_connection(scene: Scene, _: int) -> None:
    tell_sleeping(scene, "pg_terminate_backend")


DELETING = maintaining(BY_STATEMENT.replace("WHERE", "USING pg_sleep(30) WHERE"))
KEEPING = maintaining(f"{PARTITIONS} holds=slow_holds")


def in_latin_1(folder: Path) -> None:
    (folder / NEW).write_bytes("-- +goose Up\nSELECT 'café';\n-- +goose Down\nSELECT 1;\n".encode("latin-1"))


def sealed(folder: Path) -> Path:
    (found,) = (folder / "tools/migrate/engine").rglob("*.zip")
    return found


def change_the_zip(folder: Path) -> None:
    with zipfile.ZipFile(sealed(folder), "a") as file:
        name = file.namelist()[0].rpartition("/")[0]
        file.writestr(f"{name}/more.go", "package more\n")


def unmerged(scene: Scene):
    git = scene.git
    git("switch", "--quiet", "--create", "other", cwd=scene.folder)
    scene.edit(write("docs/x.md", "one\n")).commit()
    git("switch", "--quiet", "main", cwd=scene.folder)
    scene.edit(write("docs/x.md", "two\n")).commit()
    scene.run("git", "merge", "other", cwd=scene.folder)
    return scene.edit(write("docs/x.md", "both\n")).engine("template-check")


def held_by_another_run(scene: Scene):
    """A run that sleeps holds the lock until the second one has given up."""
    scene.up().edit(sql("SELECT pg_sleep(30);"))
    first = threading.Thread(target=lambda: scene.engine("up"))
    first.start()
    await_sleeping(scene)
    second = scene.engine("up", MIGRATION_LOCK_TIMEOUT="0")
    tell_sleeping(scene, "pg_cancel_backend")
    first.join()
    return second


def based(scene: Scene, *edits: Callable[[Path], object]):
    """A branch on top of main, which has a second migration, held against main."""
    scene.edit(sql(ACCOUNTS, "DROP TABLE accounts;")).commit()
    scene.git("switch", "--quiet", "--create", "work", cwd=scene.folder)
    return scene.edit(*edits).engine("validate", "--base=main")


def answers(old: str, new: str) -> Callable[[Scene], object]:
    return lambda s: s.edit(replace(".copier-answers.yml", old, new)).engine("template-check")


def files(up: str, down: str = "SELECT 1;", *, transaction: bool = True) -> Callable[[Scene], object]:
    return lambda s: s.edit(sql(up, down, transaction=transaction)).engine("validate")


def failing(
    up: str, down: str = "SELECT 1;", *, transaction: bool = True, **variables: str
) -> Callable[[Scene], object]:
    return lambda s: s.up().edit(sql(up, down, transaction=transaction)).engine("up", **variables)


def checked(up: str, down: str) -> Callable[[Scene], object]:
    return lambda s: s.edit(sql(up, down)).engine("check")


def applied(*edits: Callable[[Path], object]) -> Callable[[Scene], object]:
    return lambda s: s.edit(sql(ACCOUNTS, "DROP TABLE accounts;")).up().edit(*edits).engine("up")


def nobody_may_read(scene: Scene):
    scene.up().database.server.execute(
        "ALTER TABLE goose_db_version OWNER TO postgres", database=scene.database["DB_NAME"]
    )
    return scene.engine("status")


# A block that commits in its middle, and then fails.
COMMITS = "-- +goose StatementBegin\nDO $$ BEGIN COMMIT; RAISE 'too late'; END $$;\n-- +goose StatementEnd"


def in_shift_jis(scene: Scene):
    (scene.folder / NEW).write_bytes("-- +goose Up\nSELECT '移行';\n-- +goose Down\nSELECT 1;\n".encode("shift_jis"))
    return scene.engine("validate")


def only_reading(scene: Scene):
    scene.database.server.execute(f"ALTER ROLE {scene.database['DB_USER']} SET default_transaction_read_only = on")
    return scene.engine("status", MIGRATION_CONNECT_TIMEOUT="0")


def edited_in_the_middle(scene: Scene):
    failing("CREATE TABLE a ();\nSELECT 1 / 0;", transaction=False)(scene)
    return scene.edit(replace(NEW, "TABLE a ()", "TABLE b ()")).engine("up")


def without_createdb(scene: Scene):
    scene.database.server.execute(f"ALTER ROLE {scene.database['DB_USER']} NOCREATEDB")
    return scene.engine("check")


def table_lock_to_the_pooler(scene: Scene):
    scene.up().edit(replace(".goose.yml", "table: goose_db_version\n", "table: goose_db_version\nlock: table\n"))
    (scene.folder / JOB).parent.mkdir(exist_ok=True)
    return scene.edit(write(JOB, BACKFILL)).engine("backfill", "names")


def backfilled(content: str) -> Callable[[Scene], object]:
    def act(scene: Scene):
        (scene.folder / JOB).parent.mkdir(exist_ok=True)
        return scene.up().edit(write(JOB, content)).engine("backfill", "names")

    return act


def kept_from_the_table(scene: Scene):
    scene.up().edit(sql("ALTER TABLE schema_metadata ADD COLUMN n int;"))
    with scene.database.connect() as other:
        other.autocommit = False
        other.execute("SELECT FROM schema_metadata")
        return scene.engine("up", MIGRATION_RETRY_TIMEOUT="0")


def marked(scene: Scene, mark: str, command: str):
    scene.up().database.query(f"INSERT INTO goose_db_version_environment VALUES ('{mark}')")
    return scene.edit(replace(FIRST, "+goose Up", "+goose Up\n-- a word more")).engine(command)


def migrated_by_another_tool(*command: str, dirty: bool = False) -> Callable[[Scene], object]:
    def act(scene: Scene):
        scene.database.query("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)")
        scene.database.query(f"INSERT INTO schema_migrations VALUES (1, {dirty})")
        return scene.engine(*command)

    return act


def edited_backfill(scene: Scene):
    first = backfilled(BACKFILL)(scene)
    assert first.returncode == 0, first.stderr
    return scene.edit(replace(JOB, "SET value = value", "SET value = 'x'")).engine("backfill", "names")


def without_linter(*command: str) -> Callable[[Scene], object]:
    return lambda s: s.run(*command, cwd=s.folder, env={"PATH": s.without_squawk(), "PIP_NO_INDEX": "1"})


SCENES: dict[str, Callable[[Scene], object]] = {
    "items that must hold and do not": lambda s: s.edit(delete("Makefile")).alone("doctor"),
    "run doctor in a checkout of the service": lambda s: s.edit(
        delete("migrations.mk"), delete(".copier-answers.yml")
    ).alone("doctor"),
    "in this folder: run from the service's own folder": lambda s: s.edit(delete(".goose.yml")).alone("status"),
    "is not the one that tools/migrate/go.sum pins": lambda s: s.edit(change_the_zip).built(),
    "which tools/migrate/go.mod names: restore it": lambda s: s.edit(lambda f: sealed(f).unlink()).built(),
    "Go reached no module proxy": lambda s: s.built(GOPROXY="http://127.0.0.1:9", GOMODCACHE=str(s.folder / ".cache")),
    "is a command of": lambda s: s.edit(lambda f: (f / DEV).unlink()).run(ENGINE, "lint", cwd=s.folder),
    "tools/migrate needs Go": lambda s: s.run("sh", "tools/migrate/build.sh", cwd=s.folder, env={"GO": "nowhere"}),
    "unknown key": lambda s: s.edit(replace(".goose.yml", "driver:", "drivers: x\ndriver:")).engine("status"),
    "cannot be read: write NAME=value": lambda s: s.edit(write(".env", "DB-HOST\n")).engine("status"),
    "use development, test, staging or production": lambda s: s.engine("status", ENVIRONMENT="prodution"),
    "ENVIRONMENT is not set and the database host": lambda s: s.engine("status", DB_HOST="db.example"),
    "demands at least": lambda s: s.engine("status", ENVIRONMENT="production", DB_SSL_MODE="disable"),
    "but no root certificate is named": lambda s: s.engine("status", DB_SSL_MODE="verify-full"),
    "cannot be read as an address": lambda s: s.engine("status", DB_URL="postgres://a:p#ss@host/db"),
    "holds a whole address": lambda s: s.engine("status", DB_HOST="postgres://host/db"),
    "which cannot be read": lambda s: s.alone("status", DB_PASSWORD_FILE="/nowhere"),
    "are both set: keep one of them": lambda s: s.engine("status", DB_PASSWORD_FILE=".goose.yml"),
    "it runs only where ENVIRONMENT is development or test": lambda s: s.staging().engine(
        "seed", ENVIRONMENT="staging"
    ),
    "loses data and needs the name of the database": lambda s: s.up().engine("down", ENVIRONMENT="production"),
    "reset is not confirmed": lambda s: s.engine("reset"),
    "changes which rules protect the database, and needs its name": lambda s: s.engine(
        "mark", ENVIRONMENT="development"
    ),
    "rewrites what is recorded about applied migrations": lambda s: marked(s, "production", "repair"),
    "as applied that did not run": migrated_by_another_tool("baseline", "1"),
    "which is no environment: mark it as": lambda s: marked(s, "live", "status"),
    "may not create databases": without_createdb,
    "which no file in": lambda s: s.engine("to", "99"),
    "is not a migration's name": lambda s: s.edit(write("migrations/new.sql", "")).engine("validate"),
    "has no '-- +goose Down' line": lambda s: s.edit(write(NEW, "-- +goose Up\nSELECT 1;\n")).engine("validate"),
    "has no statement in its Up section": files(""),
    "has no statement in its Down section and cannot be rolled back": lambda s: (
        s.edit(sql("SELECT 1;", "-- nothing can")).up().engine("down")
    ),
    "commits by itself, and the file holds other statements": failing(f"SELECT 1;\n{COMMITS}", transaction=False),
    "ends at its first semicolon, inside of": files("DO $$ BEGIN\nPERFORM 1;\nEND $$;"),
    "is a command of psql": files("\\connect other\nSELECT 1;"),
    "reads rows from the connection": files("COPY schema_metadata FROM stdin;"),
    "is not UTF-8": in_shift_jis,
    "puts variables of the environment into the SQL": files("-- +goose ENVSUB ON\nSELECT 1;"),
    "the right to do both": nobody_may_read,
    "that PostgreSQL refuses inside a transaction": files("VACUUM;"),
    "begins or ends a transaction": files("BEGIN;\nSELECT 1;\nCOMMIT;"),
    "'-- migrate:' does not know": lambda s: s.edit(
        write(NEW, "-- migrate: timeout=1s\n-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    ).engine("validate"),
    "a semicolon is missing": files("SELECT 1"),
    "is no SQL that PostgreSQL could read": files("CREATE TABEL a (id int);"),
    "could not be installed: put that version on the PATH": without_linter("sh", "tools/migrate/squawk.sh"),
    "has no unique index on exactly": backfilled(BACKFILL.replace("key=key", "key=value").replace("key ", "value ")),
    "needs a session of its own": table_lock_to_the_pooler,
    "it is the name of a file in": lambda s: s.engine("maintain", "Job"),
    "without JOB, which lists the jobs": lambda s: s.engine("maintain", "job"),
    "cannot be read: correct its permissions": folder_instead_of_a_job,
    "write one, as in '--": maintained("DELETE FROM sessions;"),
    ":' says": maintained(f"{BY_AGE} every=month"),
    "it needs a table and its key": maintained("-- maintenance: kind=delete retain=1d"),
    "limit it": maintained(f"{ROWS}id\nDELETE FROM sessions;"),
    "so that nothing says which rows to delete": maintained(f"{ROWS}expires_at,id"),
    "is none that deletes or changes rows": maintained(f"{BY_AGE}\nTRUNCATE sessions;"),
    "is no column with a time": maintained(f"{ROWS}id retain=1d"),
    "so each run would read the whole table": maintained(f"{ROWS}ended_at,id retain=1d"),
    "so a batch could grow without a limit": maintained(f"{ROWS}expires_at retain=1d"),
    "needs all of table, column, every, ahead and retain": maintained(PARTITIONS.replace("ahead=1", "")),
    "takes no statement": maintained(f"{PARTITIONS}\nDELETE FROM log;"),
    "correct table= in": maintained(PARTITIONS.replace("=log", "=nowhere")),
    "is not partitioned BY RANGE": maintained(PARTITIONS.replace("=log", "=sessions")),
    "columns with ranges of time, but has to have one": maintained(f"{PARTITIONS} holds=sessions"),
    "but a name has at most 63: rename the table": maintained(
        PARTITIONS.replace("=log", "=" + "l" * 60), f"CREATE TABLE {'l' * 60} (at date) PARTITION BY RANGE (at);"
    ),
    "follow their help": lambda s: s.edit(sql("CREATE INDEX a ON schema_metadata (value);", "DROP INDEX a;")).engine(
        "lint"
    ),
    "a merge must not weaken": lambda s: (
        s.edit(
            replace(".goose.yml", "  production:\n    ssl_mode: require", "  production:\n    ssl_mode: verify-full")
        )
        .commit()
        .edit(replace(".goose.yml", "verify-full", "require"))
        .engine("validate", "--base=main")
    ),
    "holds conflict markers": lambda s: s.edit(write("docs/x.md", "<<<<<<< before\n")).engine("template-check"),
    "is not merged: decide": unmerged,
    "holds a change that could not be merged": lambda s: s.edit(write("x.rej", "@@\n")).engine("template-check"),
    "which is no released version": answers("_commit: v9999.0.0", "_commit: main"),
    "is no address that a bot can fetch": answers("gh:org/", "../"),
    "so one of them was edited by hand": answers("service_name: auth", "service_name: user"),
    "restore both from git, then change the answer": answers("ssl_mode: require", "ssl_mode: verify-ca"),
    "but this folder is that of a": answers("layout: repository", "layout: monorepo-service"),
    "pending in": lambda s: s.engine("status", "--exit-code"),
    "was interrupted after": asleep(terminate, DELETING),
    "was interrupted; what it did is kept": asleep(terminate, KEEPING),
    "was cancelled after": asleep(lambda s, _: tell_sleeping(s, "pg_cancel_backend"), DELETING),
    "other sessions held the next ones for longer than": kept_from_maintenance(
        BY_AGE, "SELECT FROM sessions FOR UPDATE"
    ),
    "other sessions kept it from its locks for longer than": kept_from_maintenance(
        PARTITIONS, "LOCK TABLE log IN SHARE UPDATE EXCLUSIVE MODE"
    ),
    "nothing of it stays": failing("SELECT 1 / 0;"),
    "the next run begins with line": failing("CREATE TABLE a ();\nSELECT 1 / 0;", transaction=False),
    "clears it away and goes on there": failing(
        "CREATE UNIQUE INDEX CONCURRENTLY a ON schema_metadata ((created_at IS NULL));", transaction=False
    ),
    "is not run again as it is": failing(COMMITS, transaction=False),
    "a statement may take as long as MIGRATION_TIMEOUT says": failing("SELECT pg_sleep(30);", MIGRATION_TIMEOUT="1"),
    "was interrupted": asleep(terminate),
    "and the lock with it": asleep(lose_connection),
    "is INVALID now": failing(
        "CREATE UNIQUE INDEX CONCURRENTLY a ON schema_metadata ((created_at IS NULL));", transaction=False
    ),
    "another session holds the table": kept_from_the_table,
    "does something else when it is applied again": checked(
        "-- +goose StatementBegin\nDO $$ BEGIN\n"
        "IF EXISTS (SELECT FROM schema_metadata WHERE key = 'k') THEN CREATE TABLE a (); ELSE CREATE TABLE b (); END IF;\n"
        "INSERT INTO schema_metadata (key) VALUES ('k') ON CONFLICT DO NOTHING;\nEND $$;\n-- +goose StatementEnd",
        "DROP TABLE IF EXISTS a, b;",
    ),
    "does not undo in Down what it does in Up": checked("CREATE TABLE IF NOT EXISTS a (id int);", "SELECT 1;"),
    "failed after": maintained(f"{BY_STATEMENT} AND 1 / 0 = id"),
    "what it did before is kept": maintained(PARTITIONS, "CREATE VIEW old AS SELECT * FROM log_2020;"),
    "the default partition holds rows of that time": maintained(
        PARTITIONS, "CREATE TABLE log_rest PARTITION OF log DEFAULT;\nINSERT INTO log VALUES (now());"
    ),
    "did not accept a connection within": lambda s: s.engine("status", DB_PORT="1", MIGRATION_CONNECT_TIMEOUT="0"),
    "refused user": lambda s: s.engine("status", DB_PASSWORD="wrong"),
    "has no database": lambda s: s.engine("status", DB_NAME="nowhere_db"),
    "no TLS with": lambda s: s.engine("status", DB_SSL_MODE="require"),
    "only read in": only_reading,
    "lost its connection after": asleep(lose_connection, DELETING),
    "lost its connection; what it did is kept": asleep(lose_connection, KEEPING),
    "is not what it is in": lambda s: based(s, replace(NEW, "name text", "name varchar")),
    "was renamed to": lambda s: based(s, rename(NEW, "migrations/00002_accounts.sql")),
    "was deleted, and in": lambda s: based(s, delete(NEW)),
    "is not above that of": lambda s: based(s.edit(later("00005_later.sql")), later("00004_between.sql")),
    "was edited after it had done": edited_backfill,
    "was edited after its statement": edited_in_the_middle,
    "edited after it was applied": applied(replace(NEW, "name text", "name varchar")),
    "renamed after it was applied": applied(rename(NEW, "migrations/00002_accounts.sql")),
    "under another number": applied(rename(NEW, "migrations/00003_new.sql")),
    "but without a file in": lambda s: (
        s.edit(later("00003_next.sql")).edit(sql("SELECT 2;")).up().edit(delete(NEW)).engine("up")
    ),
    "the database is newer than this release": applied(delete(NEW)),
    "although a higher version is": lambda s: s.edit(later("00003_next.sql")).up().edit(sql("SELECT 2;")).engine("up"),
    "would begin from nothing": applied(replace(".goose.yml", "table: goose_db_version", "table: schema_history")),
    "although another tool migrated the database": migrated_by_another_tool("up"),
    "left a migration half done": migrated_by_another_tool("baseline", "1", dirty=True),
    "have the same version": lambda s: s.edit(sql("SELECT 1;"), later("00002_other.sql")).engine("validate"),
    "another runner has held the lock of": held_by_another_run,
}

# What takes more than one service and one server to bring about is brought about where those are.
ELSEWHERE = {
    "is paused after": "engine/internal/operate/backfill_test.go",
    "the migrations make another schema than from nothing": "engine/internal/develop/check_base_test.go",
    "two runners at once": "engine/internal/develop/check_base_test.go",
    "write lock: table in": "tests/server/test_many_runners.py",
    "a pooler stands between": "tests/server/test_many_runners.py",
    "did not take the session's settings": "engine/internal/connection/settle_test.go",
    "is a standby": "tests/server/test_failover.py",
}
# Said by a run that goes on and succeeds.
NOT_FATAL: set[str] = set()


@pytest.fixture(scope="module")
def generated(committed) -> Path:
    return committed()


@pytest.fixture
def scene(generated, run, git, database, request, tmp_path) -> Scene:
    folder = shutil.copytree(generated, tmp_path / "work-tree/avion-auth", symlinks=True)
    return Scene(folder, database, run, git, lambda: request.getfixturevalue("without_squawk"))


def test_every_message_of_the_page_is_brought_about():
    assert set(SCENES) | set(ELSEWHERE) == set(LISTED)
    assert set(SCENES) & set(ELSEWHERE) == set()


@pytest.mark.parametrize("message", SCENES)
def test_message_appears_with_its_exit_code(scene, message):
    result = SCENES[message](scene)
    assert message in result.stderr
    assert result.returncode == (0 if message in NOT_FATAL else LISTED[message])


@pytest.mark.parametrize("message", ELSEWHERE)
def test_message_is_brought_about_elsewhere(message):
    assert message in (ROOT / ELSEWHERE[message]).read_text()
