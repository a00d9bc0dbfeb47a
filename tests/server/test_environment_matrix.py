"""Every spelling and source of ENVIRONMENT and of the TLS mode, against every kind of host and certificate.

Each case runs over a wire that records what the engine sends, so that "refused" means: not one byte was sent.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest
import yaml

from dev.toolchain.wire import Wire

DATABASE, USER, PASSWORD = "matrix_db", "matrix", "a password that must not go out in clear"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")

# What may happen, and the exit code that says so.
CLEAR = "logged in, in clear"
TLS = "logged in, inside TLS"
REFUSED = "refused before anything was sent"
NO_LOGIN = "given up before the login, because the server offers less than was asked"
EXIT_CODES = {CLEAR: 0, TLS: 0, REFUSED: 1, NO_LOGIN: 4}


class Case(NamedTuple):
    expected: str
    environment: dict[str, str]
    make: Mapping[str, str] = MappingProxyType({})
    dotenv: str = ""
    host: str = "loopback name"
    server: str = "none"

    def __str__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self.environment.items()]
        given += [f"make:{name}={value!r}" for name, value in self.make.items()]
        given += [f".env:{line}" for line in self.dotenv.splitlines()]
        return " ".join([*given, self.host, self.server])


def environments() -> list[Case]:
    """DB_SSL_MODE=disable on this machine is right in development, test and nowhere else."""
    clear = ["development", "Development", "DEVELOPMENT", "dev", "Dev", "local", "test", "TEST", "testing", "ci", "CI"]
    refused = [
        "staging",
        "Staging",
        "stage",
        "stg",
        "production",
        "Production",
        "PRODUCTION",
        "prod",
        "PROD",
        "prd",
        "live",
    ]
    unknown = [
        "",
        " ",
        "prodution",
        "production ",
        " dev",
        "dev\t",
        '"development"',
        "'dev'",
        "dev # x",
        "qa",
        "none",
        "0",
    ]
    weak = {"DB_SSL_MODE": "disable"}
    cases = [Case(CLEAR, {"ENVIRONMENT": value} | weak) for value in clear]
    cases += [Case(REFUSED, {"ENVIRONMENT": value} | weak) for value in refused + unknown]
    cases += [
        Case(CLEAR, weak),
        *(Case(CLEAR, weak, make={"ENVIRONMENT": value}) for value in ("development", "CI")),
        *(
            Case(REFUSED, weak, make={"ENVIRONMENT": value})
            for value in ("production", "Prod", "stg", "", "qa", "'dev'")
        ),
        *(
            Case(CLEAR, weak, dotenv=f"ENVIRONMENT={value}\n")
            for value in ("dev", "  dev  ", '"dev"', "'Dev'", "dev # x")
        ),
        *(
            Case(REFUSED, weak, dotenv=f"ENVIRONMENT={value}\n")
            for value in ("prod", '"Prod"', "'live'", "stg # x", "", "qa")
        ),
        Case(CLEAR, weak, dotenv="export ENVIRONMENT=dev\n"),
        # The stronger place decides, and there blank is a value too.
        Case(REFUSED, weak | {"ENVIRONMENT": "production"}, dotenv="ENVIRONMENT=development\n"),
        Case(REFUSED, weak | {"ENVIRONMENT": ""}, dotenv="ENVIRONMENT=development\n"),
        Case(REFUSED, weak | {"ENVIRONMENT": "dev"}, make={"ENVIRONMENT": "production"}),
        Case(REFUSED, weak | {"ENVIRONMENT": "dev"}, make={"ENVIRONMENT": ""}),
        Case(CLEAR, weak | {"ENVIRONMENT": "production"}, make={"ENVIRONMENT": "dev"}),
    ]
    return cases


def hosts() -> list[Case]:
    """TLS is not needed on this machine, nor for compose's database in development and test."""
    cases = []
    for host in ("LOOPBACK NAME", "loopback address", "another loopback address", "socket"):
        cases += [Case(CLEAR, {"ENVIRONMENT": "dev", "DB_SSL_MODE": "disable"}, host=host)]
        cases += [Case(CLEAR, {}, host=host)]
        cases += [Case(REFUSED, {"ENVIRONMENT": "production", "DB_SSL_MODE": "disable"}, host=host)]
    for environment in ("dev", "test"):
        cases += [Case(CLEAR, {"ENVIRONMENT": environment, "DB_SSL_MODE": "disable"}, host="compose's database")]
        for host in ("remote name", "remote address"):
            cases += [Case(REFUSED, {"ENVIRONMENT": environment, "DB_SSL_MODE": "disable"}, host=host)]
            cases += [Case(NO_LOGIN, {"ENVIRONMENT": environment}, host=host)]
            cases += [Case(TLS, {"ENVIRONMENT": environment}, host=host, server="right")]
    for host in ("remote name", "remote address", "compose's database"):
        cases += [Case(REFUSED, {}, host=host, server="right")]
        cases += [Case(REFUSED, {"ENVIRONMENT": "staging", "DB_SSL_MODE": "prefer"}, host=host, server="right")]
        cases += [Case(TLS, {"ENVIRONMENT": "staging"}, host=host, server="right")]
    cases += [Case(REFUSED, {"ENVIRONMENT": "production", "DB_SSL_MODE": "require"}, host="socket")]
    return cases


def modes() -> list[Case]:
    """In production the mode is at least require, whatever asks for less, and the strongest that anything asks for."""
    production = {"ENVIRONMENT": "production"}
    cases = []
    for weak in ("disable", "allow", "prefer", "Require", "require ", "on", "'require'"):
        cases += [
            Case(REFUSED, production | {"DB_SSL_MODE": weak}, server="right"),
            Case(REFUSED, production, make={"DB_SSL_MODE": weak}, server="right"),
            Case(REFUSED, production | {"PGSSLMODE": weak}, server="right"),
        ]
    for weak in ("disable", "allow", "prefer"):
        cases += [
            Case(REFUSED, production, dotenv=f"DB_SSL_MODE={weak}\n", server="right"),
            Case(REFUSED, production, dotenv=f'PGSSLMODE="{weak}"\n', server="right"),
            Case(REFUSED, production | {"DB_URL": f"postgres:///?sslmode={weak}"}, server="right"),
            Case(REFUSED, production, dotenv=f"DB_URL='postgres:///?sslmode={weak}'\n", server="right"),
            Case(TLS, production | {"DB_SSL_MODE": weak, "PGSSLMODE": "require"}, server="right"),
            Case(TLS, production | {"DB_SSL_MODE": "require", "PGSSLMODE": weak}, server="right"),
            Case(NO_LOGIN, production | {"DB_SSL_MODE": "require", "PGSSLMODE": weak}),
        ]
    outcomes = {
        "right": {"require": TLS, "verify-ca": TLS, "verify-full": TLS},
        # A root certificate makes `require` check the authority, as libpq does.
        "wrong name": {"require": TLS, "verify-ca": TLS, "verify-full": NO_LOGIN},
        "unknown authority": {"require": NO_LOGIN, "verify-ca": NO_LOGIN, "verify-full": NO_LOGIN},
        "none": {"require": NO_LOGIN, "verify-ca": NO_LOGIN, "verify-full": NO_LOGIN},
    }
    for server, by_mode in outcomes.items():
        for mode, expected in by_mode.items():
            cases += [
                Case(expected, production | {"DB_SSL_MODE": mode, "DB_SSL_ROOT_CERT": "authority"}, server=server),
                Case(
                    expected,
                    production | {"DB_SSL_ROOT_CERT": "authority"},
                    dotenv=f"DB_SSL_MODE={mode}",
                    server=server,
                ),
                Case(
                    expected,
                    {"ENVIRONMENT": "dev", "DB_URL": f"postgres:///?sslmode={mode}", "PGSSLROOTCERT": "authority"},
                    server=server,
                ),
            ]
    cases += [
        Case(TLS, production | {"DB_SSL_MODE": "require"}, server="unknown authority"),
        Case(REFUSED, production | {"DB_SSL_MODE": "verify-ca"}, server="right"),
        Case(NO_LOGIN, production | {"DB_SSL_MODE": "verify-full", "DB_SSL_ROOT_CERT": "system"}, server="right"),
        Case(REFUSED, production | {"DB_SSL_MODE": "verify-ca", "DB_SSL_ROOT_CERT": "system"}, server="right"),
    ]
    return cases


CASES = environments() + hosts() + modes()


@pytest.fixture(scope="module")
def folder(engine, tmp_path_factory):
    """A service whose compose calls its database by this machine's name, in the other case."""
    folder = tmp_path_factory.mktemp("matrix") / "avion-auth"
    shutil.copytree(engine.parents[3], folder)
    settings = yaml.safe_load((folder / ".goose.yml").read_text())
    for environment in ("development", "test"):
        settings["environments"][environment]["plaintext_hosts"] = [socket.gethostname().swapcase()]
    (folder / ".goose.yml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def wires(servers):
    for server in servers.values():
        server.create_database(DATABASE, USER, PASSWORD)
    wires = {name: Wire(server.port) for name, server in servers.items()}
    yield wires
    for name, wire in wires.items():
        wire.__exit__()
        servers[name].drop_database(DATABASE, USER)


@pytest.fixture
def ping(run, folder, servers, wires, certificate_authority, tmp_path):
    """ping(case): the exit code, and what was sent."""
    name = socket.gethostname()
    hosts = {
        "loopback name": "localhost",
        "LOOPBACK NAME": "LOCALHOST",
        "loopback address": "127.0.0.1",
        "another loopback address": "127.1.2.3",
        "remote name": name,
        "remote address": "0.0.0.0",
        "compose's database": name.swapcase(),
    }
    authority = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(authority))

    def ping(case: Case) -> tuple[int, list[bytes]]:
        if hosts.get(case.host, "").casefold() == name.casefold() and not resolves(name):
            pytest.skip("this machine's name leads nowhere")
        wire, server = wires[case.server], servers[case.server]
        where = {"DB_HOST": hosts.get(case.host, str(server.socket_directory)), "DB_PORT": str(wire.port)}
        if case.host == "socket":
            where["DB_PORT"] = str(server.port)
        variables = where | {"DB_NAME": DATABASE, "DB_USER": USER, "DB_PASSWORD": PASSWORD} | case.environment
        variables = {key: str(authority) if value == "authority" else value for key, value in variables.items()}
        (folder / ".env").write_text(case.dotenv)
        wire.take()
        if case.make:
            typed = [f"{key}={value}" for key, value in case.make.items()]
            answered = run("make", "migrate-ping", *typed, cwd=folder, env=variables)
            (code,) = re.findall(r"Error (\d+)", answered.stderr) or ["0"]
        else:
            answered = run("./tools/migrate/bin/migrate", "ping", cwd=folder, env=variables)
            code = answered.returncode
        assert PASSWORD not in answered.stdout + answered.stderr
        return int(code), wire.take()

    return ping


def resolves(name: str) -> bool:
    try:
        return bool(socket.gethostbyname(name))
    except OSError:
        return False


def test_there_are_enough_cases():
    assert len(set(map(str, CASES))) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=str)
def test_environment_host_and_mode_decide(ping, case):
    code, sent = ping(case)
    assert code == EXIT_CODES[case.expected], sent
    in_clear = b"".join(sent)
    assert PASSWORD.encode() not in in_clear
    if case.expected == REFUSED:
        assert sent == []
    elif case.expected == CLEAR:
        assert case.host == "socket" or b"SCRAM-SHA-256" in in_clear
    else:
        # Neither the user's name nor a login, and no password in any form.
        assert all(connection.startswith(SSL_REQUEST) for connection in sent)
        assert USER.encode() not in in_clear
        assert b"SCRAM" not in in_clear
    if case.expected == NO_LOGIN and case.server == "none":
        assert set(sent) == {SSL_REQUEST}
