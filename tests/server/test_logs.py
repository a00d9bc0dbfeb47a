"""With LOG_FORMAT=json, every line for people is an object for a log collector, and no secret is in it."""

import json

from tests.conftest import ENGINE


def test_every_line_is_an_object(run, service, database):
    folder = service("avion-auth")
    environment = {**database, "LOG_FORMAT": "json"}
    result = run(folder / ENGINE, "up", cwd=folder, env=environment)
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    (applied,) = [line for line in lines if line["event"] == "applied"]
    assert (applied["file"], applied["version"]) == ("00001_init_schema.sql", 1)
    assert (applied["database"], applied["environment"]) == (database["DB_NAME"], "development")
    assert applied["duration_ms"] >= 0
    assert "1 migration applied to" in lines[-1]["msg"]
    assert database["DB_PASSWORD"] not in result.stderr


def test_failure_has_its_exit_code(run, service, database):
    folder = service("avion-auth")
    (folder / "migrations/00002_bad.sql").write_text("-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n")
    result = run(folder / ENGINE, "up", cwd=folder, env={**database, "LOG_FORMAT": "json"})
    failed = json.loads(result.stderr.splitlines()[-1])
    assert result.returncode == failed["exit_code"] == 3
    assert (failed["event"], failed["level"]) == ("failed", "ERROR")
    assert "division by zero" in failed["msg"]


def test_unknown_format_is_refused_in_words(run, service, database):
    folder = service("avion-auth")
    result = run(folder / ENGINE, "status", cwd=folder, env={**database, "LOG_FORMAT": "xml"})
    assert result.returncode == 1
    assert result.stderr == 'migrate: LOG_FORMAT is "xml": write text or json\n'
