"""The Renovate preset fits what Copier writes. Renovate itself, half a gigabyte, runs in test_renovate_run.py."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from dev.toolchain.install import ROOT
from dev.toolchain.published import URL

PRESET = json.loads((ROOT / "default.json").read_text())
# As Renovate's copier manager looks for files.
FILES = re.compile(r"(^|/)\.copier-answers(\..+)?\.ya?ml")


def rules(source: str) -> dict:
    """What the preset says about a dependency that is named like this."""
    found: dict = {}
    for rule in PRESET["packageRules"]:
        assert rule["matchManagers"] == ["copier"]
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
    assert "make migrate-template-check" in rules(source)["prBodyNotes"][0]


def test_other_templates_are_left_alone():
    assert rules("https://github.com/org/other-template.git") == {}
    assert rules("https://github.com/other/avion-migration-template-fork") == {}


def test_major_versions_wait_for_approval():
    (major,) = [rule for rule in PRESET["packageRules"] if rule.get("dependencyDashboardApproval")]
    assert major["matchUpdateTypes"] == ["major"]
