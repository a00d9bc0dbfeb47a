"""docs/how-to/offline.md: what is carried in is enough, on a machine from which nothing outside can be reached."""

from __future__ import annotations

import shutil

import pytest

from dev.toolchain.published import git_configuration
from tests.conftest import ENGINE
from tests.documentation import blocks

PAGE = "docs/how-to/offline.md"
# Whoever asks for the internet is sent to a port on which nobody listens.
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
# What the machine says of its own mirrors would win over what the page sets.
NO_MIRRORS = dict.fromkeys(("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "GOPROXY"), "")


@pytest.mark.slow
def test_a_service_is_updated_built_and_linted_without_a_network(
    generate, engine, run, git, template, without_squawk, tmp_path
):
    service = generate()
    git("init", "--quiet", cwd=service)
    answers = service / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(template), "gh:org/avion-migration-template"))
    git("add", "--all", cwd=service)
    git("commit", "--quiet", "--message", "Begin", cwd=service)
    carry, settle, use = [block.code for block in blocks(PAGE)]
    # What was compiled may stay: it is the sources of the modules that have to be there.
    compiled = {"GOCACHE": run("go", "env", "GOCACHE", cwd=service).stdout.strip(), "GOFLAGS": "-modcacherw"}
    paths = {"PATH": without_squawk} | compiled

    outside = run("bash", "-ec", carry, cwd=service, env=git_configuration(tmp_path / "outside", template) | paths)
    assert outside.returncode == 0, outside.stderr

    shutil.rmtree(service / ENGINE.parent)
    home = tmp_path / "home"
    home.mkdir()
    inside = git_configuration(tmp_path / "inside") | paths | NOWHERE | NO_MIRRORS | {"HOME": str(home)}
    for code in (settle, use):
        result = run("bash", "-ec", code, cwd=service, env=inside, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
    assert (service / ENGINE).exists()
    assert (service / ENGINE.parent / "squawk").exists()
    assert "Keeping template version" in result.stderr or "up to date" in result.stderr
