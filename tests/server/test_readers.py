"""A migration that waits for a table keeps nobody waiting behind it for longer than its lock_timeout."""

import threading
import time

from tests.amounts import both_ends
from tests.faults import Marked

LOCK_TIMEOUT = 1.0
_ALTER = """
-- migrate: lock_timeout=1s
-- +goose Up
ALTER TABLE marks ADD COLUMN late int;
-- +goose Down
ALTER TABLE marks DROP COLUMN late;
"""


@both_ends
def test_a_reader_is_not_blocked_for_long(postgres, database, engine, tmp_path):
    marked = Marked(tmp_path, engine, database).write()
    assert "is now at 00020" in marked.start().communicate(timeout=60)[1]
    (tmp_path / "migrations/00021_late.sql").write_text(_ALTER.lstrip())
    waits = []
    ended = threading.Event()

    def read() -> None:
        with database.connect() as connection:
            while not ended.is_set():
                started = time.monotonic()
                connection.execute("SELECT count(*) FROM marks")
                waits.append(time.monotonic() - started)
                time.sleep(0.01)

    readers = [threading.Thread(target=read) for _ in range(3)]
    with database.connect() as busy:
        with busy.transaction():
            busy.execute("SELECT count(*) FROM marks")
            runner = marked.start()
            for reader in readers:
                reader.start()
            time.sleep(3 * LOCK_TIMEOUT)
        report = runner.communicate(timeout=60)[1]
        ended.set()
        for reader in readers:
            reader.join()
        assert runner.returncode == 0, report
        assert f"did not get its locks, attempt 1: pid {busy.info.backend_pid} (" in report
    print(f"PostgreSQL {postgres.major}: the longest of {len(waits)} reads took {max(waits):.3f} s")
    assert LOCK_TIMEOUT / 2 < max(waits) <= LOCK_TIMEOUT + 0.2
