"""A conflict in the very files that start the check, or that the engine is built from, is told, with all others, at once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

# Of these, make cannot read the first, Go the second and third, the engine the fourth, and the shell the fifth.
FILES = ("migrations.mk", "tools/migrate/go.mod", "tools/migrate/go.sum", ".goose.yml", "tools/migrate/build.sh")
SAID = "holds conflict markers (<<<<<<<, >>>>>>>): keep what you want of both sides, and delete the markers"
MAKE = ("make", "-f", "migrations.mk", "migrate-template-check")
SHELL = ("sh", "tools/migrate/template-check.sh")


def conflict(file: Path) -> None:
    lines = file.read_text().splitlines(keepends=True)
    middle = len(lines) // 2
    both = ["<<<<<<< before updating\n", "ours\n", "=======\n", "theirs\n", ">>>>>>> after updating\n"]
    file.write_text("".join([*lines[:middle], *both, *lines[middle:]]))


def named(said: str) -> list[str]:
    """The files of which the standard error says that they hold both sides, in its order."""
    return re.findall(rf"^migrate: (.*) {re.escape(SAID)}$", said, re.MULTILINE)


@pytest.fixture
def checked_in(rendered, git, tmp_path) -> Callable[..., Path]:
    """checked_in("services/avion-auth"): a service in that folder of a repository; "." is one of its own."""

    def checked_in(folder: str) -> Path:
        repository = tmp_path / "avion"
        layout = "repository" if folder == "." else "monorepo-service"
        shutil.copytree(rendered("avion-auth", layout=layout), repository / folder)
        if layout == "monorepo-service":
            shutil.copytree(rendered("avion", layout="monorepo-root"), repository, dirs_exist_ok=True)
        git("init", "--quiet", cwd=repository)
        git("add", "--all", cwd=repository)
        git("commit", "--quiet", "--message=Generate", cwd=repository)
        return repository / folder

    return checked_in


@pytest.mark.parametrize("command", [MAKE, SHELL], ids=["make", "sh"])
@pytest.mark.parametrize("folder", [".", "services/avion-auth", "my [services], \\ 日本語 'quoted'/avion auth"])
def test_all_files_are_named_at_once(run, checked_in, folder, command):
    service = checked_in(folder)
    assert run(*SHELL, cwd=service).returncode == 0
    for file in FILES:
        conflict(service / file)
    result = run(*command, cwd=service)
    assert result.returncode != 0
    assert named(result.stderr) == sorted(FILES)
    assert "missing separator" not in result.stderr


@pytest.mark.parametrize("file", FILES)
def test_any_one_of_them_is_named(run, checked_in, file):
    service = checked_in(".")
    conflict(service / file)
    assert named(run(*MAKE, cwd=service).stderr) == [file]


def test_those_of_the_monorepos_root_are_named_too(run, checked_in):
    service = checked_in("services/avion-auth")
    for file in (".github/workflows/migrations.yml", "monitoring/migrations-dashboard.json"):
        conflict(service.parents[1] / file)
    (service.parents[1] / "monitoring/migrations-dashboard.json.rej").touch()
    conflict(service / "migrations.mk")
    result = run(*SHELL, cwd=service)
    assert result.returncode == 1
    at_root = ["../../.github/workflows/migrations.yml", "../../monitoring/migrations-dashboard.json"]
    assert named(result.stderr) == ["migrations.mk", *at_root]
    assert "../../monitoring/migrations-dashboard.json.rej holds a change that could not be merged" in result.stderr


def test_a_conflict_in_the_check_itself_does_not_pass(run, checked_in):
    service = checked_in(".")
    conflict(service / "tools/migrate/template-check.sh")
    result = run(*MAKE, cwd=service)
    assert result.returncode != 0
    assert "template-check.sh" in result.stderr


@pytest.mark.parametrize("linked", [False, True], ids=["checkout", "linked worktree"])
def test_a_hook_asks_about_its_own_checkout(run, git, checked_in, tmp_path, linked):
    service = checked_in("services/avion-auth")
    repository = service.parents[1]
    where = repository
    if linked:
        where = tmp_path / "linked"
        git("worktree", "add", "--quiet", where, "-b", "topic", cwd=repository)
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\n[ -n "$GIT_INDEX_FILE" ] || exit 9\ncd services/avion-auth && exec make migrate-template-check\n'
    )
    hook.chmod(0o755)
    conflict(where / "services/avion-auth/migrations.mk")
    before = (repository / ".git/config").read_text()
    committed = run("git", "commit", "--all", "--message=Update", cwd=where)
    assert committed.returncode not in (0, 9)
    assert named(committed.stderr) == ["migrations.mk"]
    assert (repository / ".git/config").read_text() == before


@pytest.mark.parametrize(
    "setting", ["submodule.recurse=true", "color.ui=always", "grep.lineNumber=true", "grep.patternType=fixed"]
)
def test_nobodys_settings_of_git_hide_a_conflict(run, git, checked_in, setting):
    service = checked_in(".")
    git("config", *setting.split("="), cwd=service)
    conflict(service / "migrations.mk")
    assert named(run(*SHELL, cwd=service).stderr) == ["migrations.mk"]


def test_outside_of_a_repository_gits_reason_is_told(run, rendered, tmp_path):
    result = run(*SHELL, cwd=shutil.copytree(rendered(), tmp_path / "avion-auth"))
    assert result.returncode == 1
    assert "migrate: git knows no repository around this folder (fatal: not a git repository" in result.stderr
    assert "run it in a checkout of the service" in result.stderr
