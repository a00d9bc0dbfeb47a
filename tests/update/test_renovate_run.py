"""The real Renovate, with this repository's preset, updates services of this template. `make test-renovate` runs this; its
half gigabyte from npm is no part of `make test`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.toolchain.command import run
from dev.toolchain.install import ROOT, renovate
from dev.toolchain.published import COPY, URL, git_configuration
from tests.forge import Forge, serve

pytestmark = pytest.mark.renovate

MINOR, MAJOR = "renovate/migration-template", "renovate/major-migration-template"
ANSWERS_FILE = ".copier-answers.yml"


@pytest.fixture
def home(template, git, tmp_path) -> dict[str, str]:
    """The bot's home as variables; from there the template's names lead to three releases of it."""
    releases = tmp_path / "releases"
    git("clone", "--quiet", template, releases, cwd=tmp_path)
    # Renovate passes over a tag such as v9999.0.0, which is too far from what a service has.
    git("tag", "--delete", "v9999.0.0", cwd=releases)
    git("tag", "v1.0.0", cwd=releases)
    for tag in ("v1.1.0", "v2.0.0"):
        for file in ("template/migrations.mk", "monorepo/.github/scripts/changed_services.py"):
            (releases / file).write_text((releases / file).read_text().replace("\n", f"\n# Of {tag}\n", 1))
        git("commit", "--quiet", "--all", f"--message={tag}", cwd=releases)
        git("tag", tag, cwd=releases)
    folder = tmp_path / "home"
    folder.mkdir()
    variables = git_configuration(folder / ".gitconfig", releases)
    with (folder / ".gitconfig").open("a") as configuration:
        configuration.write(f"insteadOf = {URL.removesuffix('.git')}\n")
    # Renovate hands HOME to git, and nothing that is called GIT_CONFIG.
    return {"HOME": str(folder), **variables}


@pytest.fixture
def repository(home, git, tmp_path) -> Callable[..., Path]:
    """repository({"avion-auth": []}, edit): where the services of v1.0.0 lie, with the preset, as a bare repository."""

    def repository(folders: dict[str, list[str]], edit: Callable[[Path], object] = lambda top: None) -> Path:
        top = tmp_path / "avion-auth"
        for folder, data in folders.items():
            copied = run(*COPY, "--vcs-ref=v1.0.0", *data, top / folder, cwd=tmp_path, env=home)
            assert copied.returncode == 0, copied.stderr
        # What `extends` would bring from where nobody can reach it here.
        (top / "renovate.json").write_text((ROOT / "default.json").read_text())
        edit(top)
        git("init", "--quiet", "--initial-branch=main", cwd=top)
        git("add", "--all", cwd=top)
        git("commit", "--quiet", "--message=Generate", cwd=top)
        origin = tmp_path / "origin.git"
        git("clone", "--quiet", "--bare", top, origin, cwd=tmp_path)
        return origin

    return repository


@pytest.fixture
def bot(home, tmp_path):
    """bot(forge): Renovate looks at the repository once, for what these managers of it find."""
    node, script = renovate()

    def bot(forge: Forge, *managers: str) -> None:
        settings = {
            **home,
            "RENOVATE_BASE_DIR": str(tmp_path / "bot"),
            "RENOVATE_PLATFORM": "gitea",
            "RENOVATE_ENDPOINT": forge.url,
            "RENOVATE_TOKEN": "token",
            "RENOVATE_GIT_URL": "ssh",
            "RENOVATE_ONBOARDING": "false",
            "RENOVATE_ENABLED_MANAGERS": json.dumps(managers or ["copier"]),
        }
        ended = run(node, script, forge.name, cwd=tmp_path, env=settings)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return bot


def branches(git, origin: Path) -> set[str]:
    return set(git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", cwd=origin).split()) - {"main"}


def show(git, origin: Path, branch: str, file: str) -> str:
    return git("show", f"{branch}:{file}", cwd=origin)


def test_renovate_finds_the_preset_and_our_own_settings_valid(tmp_path):
    node, script = renovate()
    files = (ROOT / "default.json", ROOT / "renovate.json")
    ended = run(node, script.with_name("config-validator.js"), "--strict", *files, cwd=tmp_path)
    assert (ended.returncode, "Config validated successfully" in ended.stdout) == (0, True), ended.stdout + ended.stderr
    broken = tmp_path / "renovate.json"
    broken.write_text('{"packageRules": [{"matchManagers": ["copier"], "dependencyDashboardAproval": true}]}')
    ended = run(node, script.with_name("config-validator.js"), "--strict", broken, cwd=tmp_path)
    assert ended.returncode == 1


def test_minor_version_is_a_pull_request_and_a_major_one_waits_for_a_tick(repository, bot, git):
    def work(service: Path) -> None:
        goose = service / ".goose.yml"
        goose.write_text(goose.read_text().replace("table: goose_db_version", "table: auth_version"))

    origin = repository({".": []}, work)
    with serve(origin, "avion/avion-auth") as forge:
        bot(forge)
        assert branches(git, origin) == {MINOR}
        (request,) = forge.pull_requests
        assert {label["name"] for label in request["labels"]} == {"dependencies", "migration-template"}
        assert "`v1.0.0` → `v1.1.0`" in request["body"]
        assert "make migrate-template-check" in request["body"]
        assert "What the template changed since v1.0.0" in request["body"]
        assert "/compare/v1.0.0...v1.1.0" in request["body"]
        answers = yaml.safe_load(show(git, origin, MINOR, ANSWERS_FILE))
        assert answers == yaml.safe_load(show(git, origin, "main", ANSWERS_FILE)) | {"_commit": "v1.1.0"}
        assert "# Of v1.1.0" in show(git, origin, MINOR, "migrations.mk")
        assert "table: auth_version" in show(git, origin, MINOR, ".goose.yml")

        (dashboard,) = forge.issues
        waiting = f"- [ ] <!-- approve-branch={MAJOR} -->"
        assert waiting in dashboard["body"].partition("## Pending Approval")[2]
        dashboard["body"] = dashboard["body"].replace(waiting, waiting.replace("[ ]", "[x]"))
        bot(forge)
        assert branches(git, origin) == {MINOR, MAJOR}
        assert "_commit: v2.0.0" in show(git, origin, MAJOR, ANSWERS_FILE)


def test_services_and_root_of_a_monorepo_are_one_pull_request(repository, bot, git):
    inside = ["--data=layout=monorepo-service"]
    folders = {".": ["--data=layout=monorepo-root"], "avion-auth": inside, "platform/avion-user": inside}
    origin = repository(folders)
    with serve(origin, "avion/avion-auth") as forge:
        bot(forge)
        (request,) = forge.pull_requests
        assert branches(git, origin) == {MINOR}
        for folder in folders:
            assert "_commit: v1.1.0" in show(git, origin, MINOR, f"{folder}/{ANSWERS_FILE}".removeprefix("./"))
        assert "# Of v1.1.0" in show(git, origin, MINOR, ".github/scripts/changed_services.py")
        assert "# Of v1.1.0" in show(git, origin, MINOR, "platform/avion-user/migrations.mk")
        assert "Artifact update problem" not in request["body"]
        assert request["body"].count("`avion-template plan FOLDER`") == 1


def test_conflict_reaches_the_branch_and_is_shown(repository, bot, git):
    def work(service: Path) -> None:
        targets = service / "migrations.mk"
        targets.write_text(targets.read_text().replace("\n", "\n# Ours\n", 1))

    origin = repository({".": []}, work)
    with serve(origin, "avion/avion-auth") as forge:
        bot(forge)
        assert branches(git, origin) == {MINOR}
        assert "<<<<<<<" in show(git, origin, MINOR, "migrations.mk")
        states = {status["state"] for status in forge.statuses if status["context"] == "renovate/artifacts"}
        assert states == {"failure"}


def test_versions_of_this_repository_are_bumped_with_their_commits(home, bot, git, tmp_path):
    releases = tmp_path / "releases"
    commits = {
        tag: git("rev-parse", f"{tag}^{{commit}}", cwd=releases).strip() for tag in ("v1.0.0", "v1.1.0", "v2.0.0")
    }
    text = (ROOT / "versions.yml").read_text()
    (entry,) = re.findall(r"^  checkout:\n(?:    .*\n)+", text, re.MULTILINE)
    # From where it can be reached here, and as old as that.
    old = re.sub(r"datasource=.*", f"datasource=git-tags depName={URL}", entry)
    old = re.sub(r"version: .*", "version: v1.0.0", re.sub(r"sha: .*", f"sha: {commits['v1.0.0']}", old))
    top = tmp_path / "own"
    top.mkdir()
    (top / "renovate.json").write_text((ROOT / "renovate.json").read_text())
    (top / "versions.yml").write_text(f"actions:\n{old}")
    git("init", "--quiet", "--initial-branch=main", cwd=top)
    git("add", "--all", cwd=top)
    git("commit", "--quiet", "--message=Start", cwd=top)
    origin = tmp_path / "own.git"
    git("clone", "--quiet", "--bare", top, origin, cwd=tmp_path)
    with serve(origin, "org/own") as forge:
        bot(forge, "custom.regex")
    proposed = [yaml.safe_load(show(git, origin, branch, "versions.yml")) for branch in branches(git, origin)]
    bumped = {pin["actions"]["checkout"]["version"]: pin["actions"]["checkout"]["sha"] for pin in proposed}
    assert bumped == {tag: commits[tag] for tag in ("v1.1.0", "v2.0.0")}
