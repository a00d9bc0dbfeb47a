"""manifest.yml describes exactly the files that Copier writes, whatever the answers, and whose each of them is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pathspec import GitIgnoreSpec

from dev import copier_yml
from dev.manifest import MONOREPO, SERVICE, collapsed, entries, expected
from dev.release.interface import create_once
from dev.toolchain.install import ROOT
from tests.amounts import others_slow
from tests.covering import CONSIDERATIONS, COVERING

PARTS = ["compose", "github_actions", "kubernetes", "prometheus"]
ANSWERS = [
    {"considerations": []},
    {"considerations": CONSIDERATIONS, "layout": "monorepo-service"},
    {"parts": [], "considerations": CONSIDERATIONS},
    {"layout": "monorepo-root"},
    *({"parts": [part], "considerations": [one]} for part in PARTS for one in CONSIDERATIONS),
    *COVERING,
]


def undescribed(service: Path) -> set[str]:
    """The files that are there or described, and not both."""
    answers = yaml.safe_load((service / ".copier-answers.yml").read_text())
    there = {file.relative_to(service).as_posix() for file in service.rglob("*") if file.is_file()}
    return collapsed(there) ^ expected(answers)


@pytest.mark.parametrize("answers", others_slow(ANSWERS, 4), ids=str)
def test_every_file_is_described_and_every_description_has_its_file(rendered, answers):
    assert undescribed(rendered(**answers)) == set()


@pytest.mark.parametrize("folder", ["docs", "k8s/migrations", "tools"])
def test_a_file_that_is_not_described_is_noticed(generate, folder):
    service = generate()
    (service / folder / "new.md").touch()
    assert undescribed(service) == {f"{folder}/new.md"}


def test_a_file_that_is_described_and_not_there_is_noticed(generate):
    service = generate()
    (service / "migrations.mk").unlink()
    assert undescribed(service) == {"migrations.mk"}


@pytest.mark.parametrize("of", [SERVICE, MONOREPO])
def test_the_service_owns_what_is_created_once(of):
    once = GitIgnoreSpec.from_lines(create_once(copier_yml.read(ROOT)))
    for entry in entries(of):
        assert entry.owner == ("once" if once.match_file(entry.path) else "template"), entry.path


def test_each_pattern_of_what_is_created_once_has_its_file():
    paths = [entry.path for entry in entries()]
    for pattern in create_once(copier_yml.read(ROOT)):
        assert list(GitIgnoreSpec.from_lines([pattern]).match_files(paths)), pattern
