"""What adopting finds in a compose file with a life of its own is what Compose, by its own code, makes of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from dev.toolchain.install import compose

# Neither a service nor a port stands where a reader of the file alone would look for it.
OWN = """\
x-server: &server
  image: postgres:15-alpine
  ports: ["127.0.0.1:5432:5432"]
services:
  store:
    <<: *server
    profiles: [local]
  cache:
    extends: {file: base.yaml, service: published}
  app:
    image: busybox
"""
BASE = "services:\n  published:\n    image: redis\n    ports: ['5432:6379']\n"
OVERRIDE = "services:\n  migrate:\n    image: busybox\n"

DOCKER = """#!{python}
import json, os, subprocess, sys
files = [each.removeprefix("--file=") for each in sys.argv if each.startswith("--file=")]
assert sys.argv[1] == "compose" and sys.argv[-2:] == ["config", "--format=json"]
asked = {{**os.environ, "COMPOSE_PROFILES": "*" if "--profile=*" in sys.argv else ""}}
found = subprocess.run([{compose!r}, *files], capture_output=True, text=True, check=True, env=asked)
print(json.dumps(json.loads(found.stdout)["project"]))
"""


@pytest.fixture
def docker(tmp_path) -> dict[str, str]:
    """PATH with a docker whose Compose is Compose's own code."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(python=sys.executable, compose=str(compose())))
    program.chmod(0o755)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def found(service, run):
    def found(**variables: str) -> list[str]:
        folder: Path = service()
        (folder / "docker-compose.yml").write_text(OWN)
        (folder / "base.yaml").write_text(BASE)
        (folder / "docker-compose.override.yml").write_text(OVERRIDE)
        variables = {"DB_PORT": "1", "MIGRATION_CONNECT_TIMEOUT": "0", **variables}
        shown = run("tools/migrate/bin/migrate-dev", "adopt", "--json", cwd=folder, env=variables)
        assert shown.returncode == 0, shown.stderr
        page = json.loads(shown.stdout)
        return [each["found"] for each in page["findings"] if each["area"] == "Compose"] + page["unknown"]

    return found


def test_anchors_extends_profiles_and_further_files_are_resolved(docker, found):
    seen = found(**docker, DB_PORT="5432")
    assert "Compose lets store publish port 5432, on which postgres listens too" in seen
    assert "Compose lets cache publish port 5432, on which postgres listens too" in seen
    assert any('"migrate" among its services' in each for each in seen)


def test_without_docker_it_says_that_the_file_was_read_as_it_stands(found, tmp_path):
    (tmp_path / "empty").mkdir()
    assert any("docker compose config cannot be run here" in each for each in found(PATH=f"{tmp_path / 'empty'}"))
