"""On a real TLS server: what the environment demands is met or refused, and no password goes out in clear."""

from __future__ import annotations

import pytest
import yaml

ENGINE = "./tools/migrate/bin/migrate"


@pytest.fixture
def ping(run, service, servers, create_database, certificate_authority, tmp_path):
    """ping("right", DB_SSL_MODE="require"): connects as production to the server with that certificate."""
    authority = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(authority))
    folder = service("avion-auth")
    databases = {}

    def ping(server: str, **variables: str):
        if server not in databases:
            databases[server] = create_database("avion_auth", servers[server])
        database = databases[server]
        settings = {"ENVIRONMENT": "production", "DB_SSL_ROOT_CERT": str(authority)} | variables
        return run(ENGINE, "ping", cwd=folder, env=dict(database) | settings)

    ping.folder = folder
    return ping


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_right_certificate_meets_every_mode(ping, mode):
    answered = ping("right", DB_SSL_MODE=mode)
    assert answered.returncode == 0, answered.stderr
    assert f"TLS (sslmode {mode})" in answered.stdout


@pytest.mark.parametrize(
    ("server", "mode", "status"),
    [
        ("wrong name", "verify-ca", 0),
        ("wrong name", "verify-full", 4),
        ("unknown authority", "verify-ca", 4),
        ("unknown authority", "verify-full", 4),
        ("none", "require", 4),
        ("none", "verify-full", 4),
    ],
)
def test_certificate_that_is_not_enough_is_refused(ping, server, mode, status):
    assert ping(server, DB_SSL_MODE=mode).returncode == status


def test_certificate_of_no_public_authority_is_refused_with_the_systems_roots(ping):
    assert ping("right", DB_SSL_MODE="verify-full", DB_SSL_ROOT_CERT="system").returncode == 4


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("place", ["DB_SSL_MODE", "PGSSLMODE", ".env", "DB_URL"])
def test_weaker_mode_is_refused_from_wherever_it_comes(ping, servers, mode, place):
    logged = len(servers["right"].log())
    variables = {place: mode}
    if place == ".env":
        (ping.folder / ".env").write_text(f"DB_SSL_MODE={mode}\n")
        variables = {}
    elif place == "DB_URL":
        variables = {"DB_URL": f"postgres://127.0.0.1/?sslmode={mode}"}
    refused = ping("right", **variables)
    assert refused.returncode == 1
    assert "demands at least require" in refused.stderr
    assert "connection authorized" not in servers["right"].log()[logged:]


def test_stronger_mode_is_never_weakened(ping):
    assert "sslmode verify-full" in ping("right", DB_SSL_MODE="verify-full", PGSSLMODE="require").stdout
    assert "sslmode verify-full" in ping("right", DB_SSL_MODE="require", PGSSLMODE="verify-full").stdout


def test_answered_mode_is_the_least_for_production(ping):
    goose = yaml.safe_load((ping.folder / ".goose.yml").read_text())
    goose["environments"]["production"] = {"ssl_mode": "verify-full"}
    (ping.folder / ".goose.yml").write_text(yaml.safe_dump(goose))
    refused = ping("right", DB_SSL_MODE="require")
    assert refused.returncode == 1
    assert "demands at least verify-full" in refused.stderr
    assert "sslmode verify-full" in ping("right").stdout
