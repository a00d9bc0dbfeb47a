"""The Renovate preset fits what Copier writes. Renovate itself, half a gigabyte, runs in test_renovate_run.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import yaml

from dev.toolchain import command, install
from dev.toolchain.install import ROOT
from dev.toolchain.published import URL
from tests.documentation import blocks

PAGE = "docs/how-to/update-by-bot.md"
PRESET = json.loads((ROOT / "default.json").read_text())
# As Renovate's copier manager looks for files, and its managers of what the template pins.
FILES = re.compile(r"(^|/)\.copier-answers(\..+)?\.ya?ml")
PINS = re.compile(
    r"(^|/)go\.mod$|(^|/|\.)([Dd]ocker|[Cc]ontainer)file$|(^|/)([Dd]ocker|[Cc]ontainer)file[^/]*$|(^|/)(docker-)?compose[^/]*\.ya?ml$|(^|/)k8s/.*\.ya?ml$"
    r"|(^|/)\.github/(workflows|actions)/.+\.ya?ml$|requirements[^/]*\.txt$"
)


def rules(source: str) -> dict:
    """What the preset says about a dependency that is named like this."""
    found: dict = {}
    for rule in PRESET["packageRules"]:
        if rule.get("matchManagers") != ["copier"]:
            continue
        (name,) = rule["matchDepNames"]
        if name == source or (name.startswith("/") and re.search(name.strip("/"), source)):
            found |= {key: value for key, value in rule.items() if key != "description"}
    return found


@pytest.mark.parametrize("layout", ["repository", "monorepo-service", "monorepo-root"])
def test_answers_file_is_what_renovate_looks_for(generate, layout):
    service = generate(layout=layout)
    (file,) = [path.name for path in service.iterdir() if "answers" in path.name]
    assert FILES.search(file)
    assert {"_commit", "_src_path"} <= yaml.safe_load((service / file).read_text()).keys()


def test_name_of_the_readme_leads_to_where_git_finds_the_template(copier_cli, tmp_path):
    copied = copier_cli(["copy", "--defaults", "gh:org/avion-migration-template", "avion-auth"], cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    source = yaml.safe_load((tmp_path / "avion-auth/.copier-answers.yml").read_text())["_src_path"]
    assert rules(source)["overridePackageName"] == URL.removesuffix(".git")


@pytest.mark.parametrize(
    "source",
    [
        "gh:org/avion-migration-template",
        URL,
        URL.removesuffix(".git"),
        "git@github.com:org/avion-migration-template.git",
    ],
)
def test_pull_requests_are_grouped_labelled_and_explained(source):
    assert rules(source)["groupName"] == "migration template"
    assert "migration-template" in rules(source)["labels"]
    service, changelog, conflict = rules(source)["prBodyNotes"]
    assert "{{{currentValue}}}...{{{newValue}}}" in service
    assert rules(source)["changelogUrl"] in changelog
    assert "make migrate-template-check" in conflict


def test_other_templates_are_left_alone():
    assert rules("https://github.com/org/other-template.git") == {}
    assert rules("https://github.com/other/avion-migration-template-fork") == {}


def test_major_versions_wait_for_approval():
    (major,) = [rule for rule in PRESET["packageRules"] if rule.get("dependencyDashboardApproval")]
    assert major["matchUpdateTypes"] == ["major"]


@pytest.fixture(scope="module")
def matching() -> Callable[[list[str], list[str]], list[str]]:
    """matching(patterns, files): the files that one of the patterns means to the library with which Renovate reads them."""
    node, npm = install.npm()
    library = npm.parents[1] / "node_modules/minimatch/dist/commonjs/index.js"
    script = """
        const {minimatch} = require(process.argv[1]), [patterns, files] = JSON.parse(process.argv[2])
        const matches = file => patterns.some(pattern => minimatch(file, pattern, {dot: true, nocase: true}))
        console.log(JSON.stringify(files.filter(matches)))
    """

    def matching(patterns: list[str], files: list[str]) -> list[str]:
        asked = command.run(node, "-e", script, library, json.dumps([patterns, files]), cwd=ROOT)
        assert asked.returncode == 0, asked.stderr
        return json.loads(asked.stdout)

    return matching


@pytest.fixture(scope="module")
def left_alone(matching) -> dict[str, Callable[[list[str]], list[str]]]:
    """left_alone["renovate"](files): those that the preset lets no bot bump; "dependabot" as the page tells it to."""
    (rule,) = [rule for rule in PRESET["packageRules"] if rule.get("enabled") is False]
    _, dependabot, _ = blocks(PAGE)
    excluded = [path for entry in yaml.safe_load(dependabot.code)["updates"] for path in entry["exclude-paths"]]
    return {
        "renovate": lambda files: matching(rule["matchFileNames"], files),
        "dependabot": lambda files: matching(excluded, files),
    }


BOTS = ["renovate", "dependabot"]


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("folder", ["", "services/avion-timeline/"])
def test_bots_leave_alone_what_the_template_pins(rendered, left_alone, folder, bot):
    layout = "monorepo-service" if folder else "repository"
    service = rendered("avion-timeline", layout=layout, considerations=["redis_sync", "audit_retention"])
    files = [path.relative_to(service).as_posix() for path in service.rglob("*") if path.is_file()]
    pinned = {folder + file for file in files if PINS.search(file)} - {f"{folder}docker-compose.yml"}
    assert {f"{folder}tools/migrate/go.mod", f"{folder}migrations.Dockerfile"} <= pinned
    assert set(left_alone[bot]([folder + file for file in files])) >= pinned


@pytest.mark.parametrize("bot", BOTS)
def test_bots_leave_alone_the_workflow_at_the_root(rendered, left_alone, bot):
    root = rendered(layout="monorepo-root")
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert left_alone[bot](files) == [".github/workflows/migrations.yml"]


@pytest.mark.parametrize("bot", BOTS)
def test_bots_bump_what_is_the_services_own(left_alone, bot):
    own = ["go.mod", "Dockerfile", "docker-compose.yml", ".copier-answers.yml", ".github/workflows/ci.yml"]
    own += ["k8s/deployment.yaml", "tools/go.mod", "avion-auth/.copier-answers.yml", "avion-auth/go.mod"]
    assert left_alone[bot](own) == []


def test_settings_of_dependabot_are_valid(tmp_path):
    (tmp_path / "dependabot.yml").write_text(blocks(PAGE)[1].code)
    checked = command.run("check-jsonschema", "--builtin-schema=vendor.dependabot", "dependabot.yml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
