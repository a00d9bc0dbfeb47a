"""A service whose migrations leave marks, so that a test can tell what was applied, how often, and whether in full."""

import dataclasses
import subprocess
import time
from pathlib import Path

from dev.toolchain.command import environment
from tests.conftest import Database

_MARK = """
-- +goose Up
INSERT INTO marks VALUES ({version}, 'first');
SELECT pg_sleep(0.02);
INSERT INTO marks VALUES ({version}, 'second');
-- +goose Down
DELETE FROM marks WHERE version = {version};
"""
_INDEX = """
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS marks_{version} ON marks (version, part);
-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS marks_{version};
"""
_FIRST = "-- +goose Up\nCREATE TABLE marks (version bigint, part text);\n-- +goose Down\nDROP TABLE marks;\n"

VERSIONS = range(1, 21)
INDEXES = range(5, 21, 5)
MARKS = [version for version in VERSIONS if version != 1 and version not in INDEXES]


@dataclasses.dataclass(frozen=True)
class Marked:
    """The service, its engine, and the database that it migrates."""

    folder: Path
    engine: Path
    database: Database

    def write(self, settings: str = "") -> "Marked":
        migrations = self.folder / "migrations"
        migrations.mkdir()
        (self.folder / ".goose.yml").write_text(f"service: avion-auth\n{settings}")
        for version in VERSIONS:
            form = _FIRST if version == 1 else _INDEX if version in INDEXES else _MARK
            (migrations / f"{version:05}_step.sql").write_text(form.format(version=version).lstrip())
        return self

    def start(self, **variables: object) -> subprocess.Popen[str]:
        """Starts `up` and leaves it running."""
        given = {"ENVIRONMENT": "test", "MIGRATION_CONNECT_TIMEOUT": "60", **self.database}
        given |= {name: str(value) for name, value in variables.items()}
        return subprocess.Popen(
            [self.engine, "up"],
            cwd=self.folder,
            env=environment(given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def empty(self) -> None:
        # The test servers commit without waiting for the disk, and a crash of the server would undo this.
        self.database.query("SET synchronous_commit = on; DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def sessions(self) -> int:
        return self.database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migrate%'")

    def assert_nobody_is_left(self, seconds: float = 10) -> None:
        patience = time.monotonic() + seconds
        while left := self.sessions():
            assert time.monotonic() < patience, f"{left} sessions are left"
            time.sleep(0.05)

    def assert_nothing_is_half_applied(self) -> None:
        if not self.database.value("SELECT to_regclass('marks') IS NOT NULL"):
            return
        recorded = dict(self.database.query("SELECT version_id, count(*) FROM goose_db_version GROUP BY 1"))
        marks = dict(self.database.query("SELECT version, count(*) FROM marks GROUP BY 1"))
        assert marks == {version: 2 for version in recorded if version in MARKS}

    def assert_each_was_applied_once(self) -> None:
        recorded = self.database.query("SELECT version_id, count(*) FROM goose_db_version GROUP BY 1 ORDER BY 1")
        assert recorded == [(version, 1) for version in (0, *VERSIONS)]
        assert self.database.query("SELECT version, count(*) FROM marks GROUP BY 1 ORDER BY 1") == [
            (version, 2) for version in MARKS
        ]
        valid = "SELECT count(*) FROM pg_index WHERE indrelid = 'marks'::regclass AND indisvalid"
        assert self.database.value(valid) == len(INDEXES)
