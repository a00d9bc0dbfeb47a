"""What a run did can be read afterwards: from a file, or from a Pushgateway, and neither can spoil the run."""

import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.toolchain import install
from dev.toolchain.port import free_port
from tests.conftest import ENGINE

SECOND = "migrations/00002_second.sql"
GOOD = "-- +goose Up\nCREATE TABLE second (id int);\n-- +goose Down\nDROP TABLE second;\n"
BAD = "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n"


def samples(text: str) -> dict[str, float]:
    """The engine's metrics of avion-auth, by the rest of their names."""
    found = re.findall(r'^migration_(\w+)\{.*service="avion-auth".*\} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found}


@pytest.fixture
def migrate(run, service, database, tmp_path) -> Callable:
    """migrate("up"): the engine in avion-auth; `migrate.folder` is where that is, `migrate.file` holds its metrics."""

    def migrate(*arguments: str, code: int = 0, **variables: str) -> str:
        environment = {**database, "MIGRATION_METRICS_FILE": str(migrate.file), **variables}
        result = run(migrate.folder / ENGINE, *arguments, cwd=migrate.folder, env=environment)
        assert result.returncode == code, result.stderr
        assert database["DB_PASSWORD"] not in result.stderr
        return result.stderr

    migrate.folder = service("avion-auth")
    migrate.file = tmp_path / "avion-auth.prom"
    return migrate


@pytest.fixture(scope="module")
def pushgateway() -> Iterator[str]:
    """The address of a running Pushgateway."""
    port = free_port()
    program = install.pushgateway() / "pushgateway"
    address = f"127.0.0.1:{port}"
    server = subprocess.Popen([program, f"--web.listen-address={address}", "--log.level=error"])
    try:
        patience = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready")
                break
            except OSError:
                assert time.monotonic() < patience
                time.sleep(0.05)
        yield address
    finally:
        server.kill()
        server.wait()


def read(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as response:
        return response.read().decode()


def check_metrics(run, text: str) -> None:
    """Prometheus' own reader and its naming rules have nothing to say against the text."""
    result = run(install.promtool() / "promtool", "check", "metrics", cwd=Path("/"), feed=text)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_file_says_where_the_database_stands_after_each_operation(migrate, run):
    (migrate.folder / SECOND).write_text(GOOD)
    begun = time.time()
    story = [
        (["up"], {"applied": 2, "rolled_back": 0}, {"version": 2, "pending": 0}),
        (["up"], {"applied": 0, "rolled_back": 0}, {"version": 2, "pending": 0}),
        (["redo"], {"applied": 1, "rolled_back": 1}, {"version": 2, "pending": 0}),
        (["down"], {"applied": 0, "rolled_back": 1}, {"version": 1, "pending": 1}),
        (["to", "0"], {"applied": 0, "rolled_back": 1}, {"version": 0, "pending": 2}),
        (["to", "1"], {"applied": 1, "rolled_back": 0}, {"version": 1, "pending": 1}),
        (["seed"], {"applied": 0, "rolled_back": 0}, {"version": 1, "pending": 1}),
        (["up", "--auto"], {"applied": 0, "rolled_back": 0}, {"version": 1, "pending": 1}),
    ]
    for command, last_run, schema in story:
        migrate(*command)
        text = migrate.file.read_text()
        check_metrics(run, text)
        told = samples(text)
        assert {name: told[f"last_run_{name}"] for name in last_run} == last_run, command
        assert {name: told[name] for name in schema} == schema, command
        assert told["last_run_exit_code"] == 0
        assert (
            begun - 1 < told["last_success_timestamp_seconds"] == told["last_run_timestamp_seconds"] < time.time() + 1
        )
        assert 0 < told["last_run_duration_seconds"] < time.time() - begun


def test_failure_says_its_exit_code_and_keeps_the_last_success(migrate):
    migrate("up")
    success = samples(migrate.file.read_text())["last_success_timestamp_seconds"]
    (migrate.folder / SECOND).write_text(GOOD)
    (migrate.folder / "migrations/00003_bad.sql").write_text(BAD)
    migrate("up", code=3)
    told = samples(migrate.file.read_text())
    assert (told["last_run_exit_code"], told["last_run_applied"]) == (3, 1)
    assert (told["version"], told["pending"]) == (2, 1)
    assert told["last_success_timestamp_seconds"] == success
    migrate("up", code=4, DB_PORT="1", MIGRATION_CONNECT_TIMEOUT="1")
    told = samples(migrate.file.read_text())
    assert (told["last_run_exit_code"], told["version"], told["pending"]) == (4, 2, 1)


def test_commands_that_change_nothing_leave_no_metrics(migrate):
    for command in ("status", "plan", "validate", "version", "ping"):
        migrate(command)
    assert not migrate.file.exists()


def test_pushgateway_keeps_what_the_file_says(migrate, run, pushgateway):
    migrate("up", MIGRATION_PUSHGATEWAY_URL=f"http://{pushgateway}")
    text = read(pushgateway)
    assert samples(text).items() >= samples(migrate.file.read_text()).items()
    assert 'migration_version{instance="",job="migration",service="avion-auth"} 1\n' in text
    success = samples(text)["last_success_timestamp_seconds"]
    (migrate.folder / SECOND).write_text(BAD)
    migrate("up", code=3, MIGRATION_PUSHGATEWAY_URL=f"http://{pushgateway}/")
    told = samples(read(pushgateway))
    assert (told["last_run_exit_code"], told["pending"]) == (3, 1)
    assert told["last_success_timestamp_seconds"] == success


def test_wrong_format_is_found(run):
    for text in ("migration_version{service='avion-auth'} 1\n", "# TYPE migration_run_ms gauge\nmigration_run_ms 1\n"):
        with pytest.raises(AssertionError):
            check_metrics(run, text)


def test_metrics_that_fail_are_told_and_change_no_exit_code(migrate, tmp_path):
    nowhere = {
        "MIGRATION_METRICS_FILE": str(tmp_path / "missing/avion-auth.prom"),
        "MIGRATION_PUSHGATEWAY_URL": "http://me:dont-tell@127.0.0.1:1",
    }
    told = migrate("up", **nowhere)
    assert "the metrics were not written to" in told
    assert "the metrics were not pushed to 127.0.0.1:1" in told
    assert "dont-tell" not in told
    (migrate.folder / SECOND).write_text(BAD)
    assert "the metrics were not pushed" in migrate("up", code=3, **nowhere)


def test_gateway_that_never_answers_delays_the_run_for_seconds_only(migrate):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        told = migrate("up", MIGRATION_PUSHGATEWAY_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert 5 <= time.monotonic() - begun < 15
    assert "the metrics were not pushed" in told
