"""docs/how-to/patch-a-vulnerable-dependency.md, from the bump to a branch in every service, typed as it stands there.

The mended pgx is one that this test publishes: today's, under the page's version.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.release import changelog
from dev.toolchain import install
from dev.toolchain.install import ROOT, VENV
from dev.toolchain.published import COPY, git_configuration
from tests.documentation import blocks

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/patch-a-vulnerable-dependency.md"
MODULE, MENDED = re.search(r"go get (\S+)@(v\S+)", (ROOT / PAGE).read_text()).groups()
TODAYS = re.search(rf"{MODULE} (v\S+)", (ROOT / "engine/go.mod").read_text())[1]
BRANCH = "avion-template/v0.3.1"


@pytest.fixture(scope="module")
def mended(run, engine, tmp_path_factory) -> dict[str, str]:
    """Variables under which Go finds the mended module, which its checksum database does not know."""
    known = run("go", "env", "GOMODCACHE", "GOPROXY", cwd=ROOT).stdout.splitlines()
    old = Path(known[0]) / "cache/download" / MODULE / "@v"
    proxy = tmp_path_factory.mktemp("proxy")
    new = proxy / MODULE / "@v"
    new.mkdir(parents=True)
    (new / f"{MENDED}.info").write_text(json.dumps({"Version": MENDED}))
    shutil.copy(old / f"{TODAYS}.mod", new / f"{MENDED}.mod")
    with zipfile.ZipFile(old / f"{TODAYS}.zip") as source, zipfile.ZipFile(new / f"{MENDED}.zip", "w") as target:
        for name in source.namelist():
            target.writestr(name.replace(f"@{TODAYS}/", f"@{MENDED}/", 1), source.read(name))
    return {
        "GOPROXY": f"{proxy.as_uri()},{known[1]}",
        "GONOSUMDB": MODULE,
        # What is unpacked there under that version is not for anybody else.
        "GOMODCACHE": str(tmp_path_factory.mktemp("modules")),
        "GOFLAGS": "-modcacherw",
    }


@pytest.fixture(scope="module")
def origin(template, git, tmp_path_factory) -> Path:
    """The template as its maintainers have it: this work tree is release 0.3.0, and nothing is unreleased."""
    folder = tmp_path_factory.mktemp("origin")
    tree = folder / "tree"
    git("clone", "--quiet", "--no-checkout", template, tree, cwd=folder)
    git("switch", "--quiet", "--force-create", "main", "v9999.0.0", cwd=tree)
    git("tag", "--delete", "v9999.0.0", cwd=tree)
    git("tag", "v0.3.0", cwd=tree)
    commit = git("rev-parse", "HEAD", cwd=tree).strip()
    with (tree / "releases.yml").open("a") as listed:
        listed.write(f"- version: 0.3.0\n  commit: {commit}\n  date: 2026-12-01\n")
    text = (tree / "CHANGELOG.md").read_text()
    (tree / "CHANGELOG.md").write_text(changelog.released(text, "0.3.0", "2026-12-01"))
    git("commit", "--quiet", "--all", "--message=Release 0.3.0", cwd=tree)
    bare = folder / "avion-migration-template.git"
    git("clone", "--quiet", "--bare", "--branch=main", tree, bare, cwd=folder)
    return bare


@pytest.fixture(scope="module")
def shell(run, origin, mended, tmp_path_factory) -> Callable:
    """shell(commands, cwd): what a maintainer types, who has installed the tools and `avion-template`."""
    folder = tmp_path_factory.mktemp("maintainer")
    program = folder / "avion-template"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m avion_template "$@"\n')
    program.chmod(0o755)
    variables = git_configuration(folder / "gitconfig", origin) | mended
    variables["PATH"] = f"{folder}:{install.search_path()}"
    # The clone of the template uses what is installed here, through a link.
    variables["MAKEFLAGS"] = f" -- install=: bin={VENV / 'bin'}"

    def shell(commands: str, cwd: Path) -> str:
        ended = run("bash", "-euo", "pipefail", "-c", commands, cwd=cwd, env=variables, timeout=1200)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return shell


@pytest.fixture(scope="module")
def services(shell, git, tmp_path_factory) -> Path:
    """A folder with the checkouts of two services of 0.3.0, each with an origin of its own."""
    folder = tmp_path_factory.mktemp("services")
    for name in ("avion-auth", "avion-user"):
        shell(f"{' '.join(COPY)} {name}", folder)
        git("init", "--quiet", "--initial-branch=main", cwd=folder / name)
        git("add", "--all", cwd=folder / name)
        git("commit", "--quiet", "--message=Generate", cwd=folder / name)
        git("clone", "--quiet", "--bare", name, f"origins/{name}.git", cwd=folder)
        git("remote", "add", "origin", folder / f"origins/{name}.git", cwd=folder / name)
    return folder


@pytest.mark.slow
def test_the_page_from_the_bump_to_a_branch_in_every_service(shell, origin, services, git, tmp_path):
    at_once, bump, release, everywhere = [block.code for block in blocks(PAGE)]
    patched = services / "avion-auth"
    said = shell(at_once, patched)
    assert f"{MODULE}\t{MENDED}" in said
    assert git("status", "--porcelain", cwd=patched) == ""

    template = tmp_path / "template"
    git("clone", "--quiet", origin, template, cwd=tmp_path)
    (template / ".tools").symlink_to(install.TOOLS)
    (template / ".git/info/exclude").write_text("/.tools\n")
    shell(bump, template)
    text = (template / "CHANGELOG.md").read_text()
    security = f"## [Unreleased]\n\n### Security\n\n- The engine is built with {MODULE} {MENDED}.\n"
    (template / "CHANGELOG.md").write_text(text.replace("## [Unreleased]\n", security, 1))
    shell(release, template)
    assert "v0.3.1" in git("tag", cwd=origin).split()

    # Whoever forgets to take the patch back is told, and loses nothing.
    with pytest.raises(AssertionError, match=r"conflict .*tools/migrate/go\.sum"):
        shell("avion-template update avion-auth", services)
    git("branch", "--quiet", "--delete", "--force", f"{BRANCH}-conflict", cwd=patched)
    git("revert", "--no-edit", "HEAD", cwd=patched)
    shell(everywhere, services)
    fresh = tmp_path / "fresh/avion-user"
    shell(f"{' '.join(COPY)} {fresh}", tmp_path)
    for name in ("avion-auth", "avion-user"):
        bare = services / f"origins/{name}.git"
        for file in ("go.mod", "go.sum"):
            pinned = git("show", f"{BRANCH}:tools/migrate/{file}", cwd=bare)
            assert pinned == (fresh / "tools/migrate" / file).read_text()
            assert f"{MODULE} {TODAYS}" not in pinned
        assert f"- The engine is built with {MODULE} {MENDED}." in git("log", "-1", "--format=%B", BRANCH, cwd=bare)
    updated = services / "avion-user"
    git("switch", "--quiet", BRANCH, cwd=updated)
    shell("make migrate-build", updated)
    assert f"{MODULE}\t{MENDED}" in shell("go version -m tools/migrate/bin/migrate", updated)
    lag = shell("avion-template status avion-*", services).splitlines()
    assert [line.split()[2] for line in lag[1:]] == ["1", "0"]
