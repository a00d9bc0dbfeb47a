"""Nothing that any release promised is gone, and the comparison that says so sees each kind of loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dev.release import changelog
from dev.release.history import check_out, releases
from dev.release.interface import Interface, breaking, read
from dev.toolchain.install import ROOT
from tests.amounts import others_slow

ONE = {"timeline": {"service_name": "timeline", "created_on": "2026-11-23"}}
EDGE = [{"service_name": "auth", "migration_timeout": 86400}]


@pytest.fixture(scope="module")
def head(template, tmp_path_factory) -> Interface:
    return read(check_out(template, "v9999.0.0", tmp_path_factory.mktemp("head")))


OLDEST, *BETWEEN, NEWEST = releases()


@pytest.mark.parametrize("release", others_slow([OLDEST, NEWEST, *BETWEEN], 2), ids=lambda release: release.tag)
def test_nothing_that_a_release_promised_is_gone(release, head, tmp_path):
    announced = changelog.announced((ROOT / "CHANGELOG.md").read_text(), release.version)
    differences = breaking(read(check_out(ROOT, release.commit, tmp_path)), head)
    assert [difference for difference in differences if difference not in announced] == []


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(template: Path) -> None:
        path = template / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def removed(file: str) -> Callable[[Path], None]:
    return lambda template: (template / file).unlink()


LOSSES = {
    "question migration_timeout has another type": replaced(
        "copier.yml", "\nmigration_timeout:\n  type: int\n", "\nmigration_timeout:\n  type: float\n"
    ),
    "question postgres_version has lost the choice 16": replaced("versions.yml", '\n  "16":\n', '\n  "14":\n'),
    "answer refused: Validation error for question 'migration_timeout'": replaced(
        "copier.yml", "<= 86400 -%}", "<= 3600 -%}"
    ),
    "create-once file /Makefile is gone": replaced("copier.yml", "    - /Makefile\n", ""),
    "path migrations.Dockerfile is gone": removed("template/migrations.Dockerfile.jinja"),
    "path tools/migrate/build.sh is no longer executable": lambda template: (
        template / "template/tools/migrate/build.sh"
    ).chmod(0o644),
    "target migrate-redis-rebuild is gone": replaced(
        "template/tools/migrate/redis-sync/targets.mk", "migrate-redis-rebuild", "migrate-redis-renew"
    ),
    "target migrate-ping is gone": replaced("template/migrations.mk", "migrate-ping", "migrate-hello"),
    "variable MIGRATION_LOCK_TIMEOUT is gone": lambda template: [
        replaced(file, "MIGRATION_LOCK_TIMEOUT", "MIGRATION_LOCK_WAIT")(template)
        for file in ("template/migrations.mk", "engine/internal/config/variables.go")
    ],
    "command ping is gone": replaced("engine/cmd/migrate/commands.go", '"ping"', '"hello"'),
    "flag block is gone": replaced("engine/cmd/migrate-dev/commands.go", '"block"', '"hundred"'),
    "exit code 75 no longer means Locked": replaced("engine/internal/failure/failure.go", "Code = 75", "Code = 76"),
}


@pytest.fixture(scope="module")
def small(template, tmp_path_factory) -> Interface:
    folder = check_out(template, "v9999.0.0", tmp_path_factory.mktemp("small"))
    (folder / "template/tools/migrate/build.sh").chmod(0o755)
    return read(folder, ONE, EDGE)


@pytest.mark.parametrize("loss", others_slow([*LOSSES], 5))
def test_each_kind_of_loss_is_seen(template, small, loss, tmp_path):
    folder = check_out(template, "v9999.0.0", tmp_path)
    if "executable" not in loss:
        (folder / "template/tools/migrate/build.sh").chmod(0o755)
    LOSSES[loss](folder)
    (found,) = breaking(small, read(folder, ONE, EDGE if loss.startswith("answer") else [{}]))
    assert found.startswith(loss)


@pytest.mark.parametrize("loss", ["question author is gone", "question author has no default"])
def test_a_lost_question_and_a_lost_default_are_seen(small, loss):
    """Not by a changed copier.yml, with which nothing can be generated any more."""
    author = {key: value for key, value in small.questions["author"].items() if key != "default"}
    changed = {"author": author} if "default" in loss else {"authors": small.questions["author"]}
    others = {name: question for name, question in small.questions.items() if name != "author"}
    assert breaking(small, replace(small, questions=others | changed)) == [loss]


def test_nothing_is_lost_by_what_is_added(template, small, tmp_path):
    folder = check_out(template, "v9999.0.0", tmp_path)
    (folder / "template/tools/migrate/build.sh").chmod(0o755)
    replaced("versions.yml", "\npostgres:\n", '\npostgres:\n  "14": {tag: "14.20", digest: "sha256:0"}\n')(folder)
    replaced("copier.yml", "\nauthor:", "\nport: {type: int, help: 'Which?', default: 1}\n\nauthor:")(folder)
    (folder / "template/new.txt").write_text("new\n")
    assert breaking(small, read(folder, ONE, EDGE)) == []
