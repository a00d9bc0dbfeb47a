"""Any password works through every way in, and shows nowhere."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.passwords import HOSTILE

ENGINE = "./tools/migrate/bin/migrate"
DATABASE, USER = "secrets_db", "secrets"
CANARY = "c4n@ry:/'%$ w"


@pytest.fixture(scope="module")
def folder(engine, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "avion-auth"
    shutil.copytree(engine.parents[3], folder)
    return folder


@pytest.fixture(scope="module")
def server(postgres_server):
    server = postgres_server()
    server.create_database(DATABASE, USER, "replaced by each test")
    yield server
    server.drop_database(DATABASE, USER)


class Way:
    """What a way in needs: variables, words after `make`, lines of .env."""

    def __init__(self, environment: dict[str, str], typed: list[str] | None = None, dotenv: str = "") -> None:
        self.environment, self.typed, self.dotenv = environment, typed or [], dotenv


@pytest.fixture
def ways(server, tmp_path) -> dict[str, tuple[Callable[[str], Way], Callable[[str], bool]]]:
    """Each way in, and which passwords its own format can hold."""
    address = {"DB_HOST": server.host, "DB_PORT": str(server.port), "DB_NAME": DATABASE, "DB_USER": USER}

    def file(name: str, content: str) -> str:
        path = tmp_path / name
        path.write_text(content)
        path.chmod(0o600)
        return str(path)

    def url(password: str) -> str:
        return f"postgres://{USER}:{quote(password, safe='')}@{server.host}:{server.port}/{DATABASE}"

    def pgpass(password: str) -> str:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        return file("pgpass", f"# comment\n*:*:{DATABASE}:{USER}:{escaped}\n")

    def service(password: str) -> dict[str, str]:
        content = f"[it]\nhost={server.host}\nport={server.port}\ndbname={DATABASE}\nuser={USER}\npassword={password}\n"
        return {"PGSERVICE": "it", "PGSERVICEFILE": file("services", content)}

    one_line = "\n".__ne__
    return {
        "DB_PASSWORD": (lambda p: Way(address | {"DB_PASSWORD": p}), lambda p: True),
        "DB_PASSWORD_FILE": (lambda p: Way(address | {"DB_PASSWORD_FILE": file("password", p + "\n")}), lambda p: True),
        "PGPASSWORD": (lambda p: Way(address | {"PGPASSWORD": p}), lambda p: True),
        "DB_URL": (lambda p: Way({"DB_URL": url(p)}), lambda p: True),
        "DB_URL_FILE": (lambda p: Way({"DB_URL_FILE": file("url", url(p) + "\n")}), lambda p: True),
        "PGPASSFILE": (lambda p: Way(address | {"PGPASSFILE": pgpass(p)}), lambda p: all(map(one_line, p))),
        # libpq's service files hold no blanks at either end of a value either.
        "service file": (lambda p: Way(service(p)), lambda p: p == p.strip() and all(map(one_line, p))),
        ".env": (
            lambda p: Way(address, dotenv=f"DB_PASSWORD='{p}'\n"),
            lambda p: "'" not in p and not p.endswith("\\"),
        ),
        # make drops blanks after the = itself.
        "make": (
            lambda p: Way(address, typed=[f"DB_PASSWORD={p}"]),
            lambda p: p == p.lstrip() and all(map(one_line, p)),
        ),
    }


@pytest.fixture
def enter(run, folder):
    def enter(way: Way, *arguments: str, typed: tuple[str, ...] = ()):
        (folder / ".env").write_text(way.dotenv)
        if way.typed:
            return run("make", *typed, f"migrate-{arguments[0]}", *way.typed, cwd=folder, env=way.environment)
        return run(ENGINE, *arguments, cwd=folder, env=way.environment)

    return enter


@pytest.mark.parametrize("password", HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_any_password_works_through_every_way_in(server, ways, enter, password):
    server.execute(f"ALTER ROLE {USER} PASSWORD :'password'", password=password)
    refused = {}
    for name, (way, holds) in ways.items():
        if holds(password):
            answered = enter(way(password), "ping")
            if answered.returncode:
                refused[name] = answered.stderr
            assert len(password) < 4 or password not in answered.stdout + answered.stderr
    assert refused == {}


class Observer:
    """Keeps the command line of every process that lives while it watches, and what the server shows of sessions."""

    def __init__(self, server) -> None:
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=watch) for watch in (self._watch_processes, self._watch_sessions)]
        self.processes: set[str] = set()
        self.sessions: set[str] = set()

    def __enter__(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch_processes(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = process.read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                # What somebody types after `make` stands in make's own command line; nobody else's may repeat it.
                if Path(words[0]).name not in ("make", "gmake"):
                    self.processes.add(" ".join(words))
            time.sleep(0.005)

    def _watch_sessions(self) -> None:
        while not self._over.is_set():
            self.sessions.add(
                self._server.execute(f"SELECT application_name, query FROM pg_stat_activity WHERE usename = '{USER}'")
            )


def forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe=""), secret.replace("'", "''"), secret.replace("'", "\\'")}


def shows(text: str) -> bool:
    return any(form in text for form in forms(CANARY))


WAYS = ["DB_PASSWORD", "DB_PASSWORD_FILE", "PGPASSWORD", "DB_URL", "DB_URL_FILE", "PGPASSFILE", "service file", "make"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="only Linux shows the command lines of all processes")
@pytest.mark.parametrize("name", WAYS)
def test_a_failing_migration_shows_the_password_nowhere(server, ways, enter, folder, name):
    server.execute(f"ALTER ROLE {USER} PASSWORD :'password'", password=CANARY)
    failing = folder / "migrations/00002_fail.sql"
    failing.write_text("-- +goose Up\nSELECT pg_sleep(0.4);\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n")
    way = ways[name][0](CANARY)
    try:
        with Observer(server) as observed:
            answered = [enter(way, "up"), enter(way, "status", "--json"), enter(way, "plan")]
    finally:
        failing.unlink()
    assert "division by zero" in answered[0].stderr
    assert any("migrate up" in line for line in observed.processes)
    assert any("pg_sleep" in line and "migrate/avion-auth" in line for line in observed.sessions)
    seen = [*(each.stdout + each.stderr for each in answered), *observed.processes, *observed.sessions]
    assert [text for text in seen if shows(text)] == []


@pytest.mark.parametrize("name", WAYS)
def test_a_refused_password_is_not_repeated(server, ways, enter, name):
    server.execute(f"ALTER ROLE {USER} PASSWORD 'another one'")
    way = ways[name][0](CANARY)
    for arguments in (["ping"], ["up"], ["status", "--json"]):
        answered = enter(way, *arguments)
        assert "refused user" in answered.stderr
        assert not shows(answered.stdout + answered.stderr)


def test_make_shows_no_password_where_it_prints_its_recipes(ways, enter):
    for options in (["-n"], ["--trace"], ["-n", "--debug=v"]):
        answered = enter(ways["make"][0](CANARY), "ping", typed=tuple(options))
        assert not shows(answered.stdout + answered.stderr), options


def test_a_migration_that_holds_the_password_fails_without_showing_it(server, ways, enter, folder):
    """The server quotes SQL in its errors."""
    secret = "hunter2hunter2"
    server.execute(f"ALTER ROLE {USER} PASSWORD '{secret}'")
    failing = folder / "migrations/00002_fail.sql"
    failing.write_text(f"-- +goose Up\nSELECT {secret};\n-- +goose Down\nSELECT 1;\n")
    try:
        answered = enter(ways["DB_PASSWORD"][0](secret), "up")
    finally:
        failing.unlink()
    assert answered.returncode == 3
    assert "*****" in answered.stderr
    assert secret not in answered.stdout + answered.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"DB_URL": "postgres://u:hunter2@h:port/d"},
        {"DB_URL": "postgres://u:hunter2@localhost/d?sslrootcert=/nowhere&sslmode=verify-ca"},
        {"DB_URL": "postgres://u:hunter2@localhost/d?channel_binding=nonsense"},
        {"DB_URL": "postgres://u:hunter2@localhost/d?sslcert=/nowhere&sslkey=/nowhere&sslpassword=hunter2"},
        {"DB_URL": "postgres://u:hunter2@host.invalid/d", "ENVIRONMENT": "test", "MIGRATION_CONNECT_TIMEOUT": "0"},
        {"DB_HOST": "postgres://u:hunter2@h/d"},
        {"DB_URL_FILE": "postgres://u:hunter2@h/d"},
        {"DB_PASSWORD_FILE": "hunter2"},
        {"PGPASSFILE": "hunter2"},
    ],
    ids=str,
)
def test_a_mistake_in_the_settings_does_not_repeat_the_password(run, folder, variables):
    (folder / ".env").write_text("")
    answered = run(ENGINE, "ping", cwd=folder, env=variables)
    assert answered.returncode in (1, 4)
    assert "hunter2" not in answered.stdout + answered.stderr


def test_a_broken_dotenv_does_not_repeat_the_password(run, folder):
    (folder / ".env").write_text("DB_PASSWORD='hunter2\n")
    answered = run(ENGINE, "ping", cwd=folder)
    assert answered.returncode == 1
    assert "hunter2" not in answered.stdout + answered.stderr
