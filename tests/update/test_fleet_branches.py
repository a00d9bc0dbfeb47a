"""What `avion-template plan` says is what `update` does, and `--together` makes one branch of the services of a repository.

The templates are written here, so small that an update takes half a second.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import run_copy

from avion_template.checkout import Checkout
from avion_template.update import Change, published, update
from dev.toolchain.command import run
from dev.toolchain.install import ROOT

ANSWERS = ".copier-answers.yml"
OLD, NEW = "v1.0.0", "v1.1.0"
BRANCH = f"avion-template/{NEW}"
THREE = "One.\n\nTwo.\n\nThree.\n"
CHANGELOG = """\
# Changelog

## [Unreleased]

- Not yet.

## [1.1.0] - 2026-02-01

### Breaking

- The second line says something else.

## [1.0.0] - 2026-01-01

- The first one.
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> None:
    """What a test has found out about a release is not for the next one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def template(git, tmp_path) -> Callable[[dict[str, str], dict[str, str]], Path]:
    """template({"a.md": "1"}, {"a.md": "2"}): a template with two releases of these files; `own.md` is created once."""

    def template(old: dict[str, str], new: dict[str, str]) -> Path:
        folder = tmp_path / "template"
        folder.mkdir()
        (folder / "copier.yml").write_text("_subdirectory: template\n_skip_if_exists: [/own.md]\n")
        (folder / "CHANGELOG.md").write_text(CHANGELOG)
        git("init", "--quiet", cwd=folder)
        for tag, files in ((OLD, old), (NEW, new)):
            git("rm", "-r", "--quiet", "--ignore-unmatch", "template", cwd=folder)
            write(
                folder / "template", {"{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}
            )
            write(folder / "template", files)
            commit(git, folder, tag)
            git("tag", tag, cwd=folder)
        return folder

    return template


@pytest.fixture
def generate(git, tmp_path) -> Callable[..., Path]:
    """generate(template, "avion-auth", "avion-user"): a repository with these services of the old release."""

    def generate(template: Path, *folders: str) -> Path:
        top = tmp_path / "repository"
        for folder in folders:
            run_copy(str(template), top / folder, vcs_ref=OLD, defaults=True, quiet=True)
        git("init", "--quiet", cwd=top)
        commit(git, top)
        return top

    return generate


def write(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)


def commit(git, folder: Path, message: str = "Work") -> None:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--allow-empty", "--message", message, cwd=folder)


def fleet(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    ended = run(sys.executable, "-m", "avion_template", *arguments, cwd=ROOT)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended


# Of a file: what the template had, what the service made of it, what the template has now, what the plan calls that, and
# what stands on the branch.
CASES = {
    "new": (None, None, "New.\n", "new", "New.\n"),
    "clean": (THREE, THREE, THREE + "\nFour.\n", "clean", THREE + "\nFour.\n"),
    "merged": (THREE, "Ours.\n\nTwo.\n\nThree.\n", "One.\n\nTwo.\n\nNew.\n", "merged", "Ours.\n\nTwo.\n\nNew.\n"),
    "conflict": (THREE, "Ours.\n", "Theirs.\n", "conflict", "<<<<<<< before updating"),
    "both-new": (None, "Ours.\n", "Theirs.\n", "conflict", "<<<<<<< before updating"),
    "deleted": (THREE, THREE, None, "deleted", None),
    "edited-and-dropped": (THREE, "Ours.\n", None, "would-lose-edits", "Ours.\n"),
    "deleted-and-changed": (THREE, None, "Changed.\n", None, None),
    "deleted-and-unchanged": (THREE, None, THREE, None, None),
    "deleted-by-both": (THREE, None, None, None, None),
    "edited-and-unchanged": (THREE, "Ours.\n", THREE, None, "Ours.\n"),
    "edited-alike": (THREE, "Both.\n", "Both.\n", None, "Both.\n"),
    "only-the-services": (None, "Ours.\n", None, None, "Ours.\n"),
    # The template creates it once.
    "own": ("Once.\n", "Ours.\n", "Twice.\n", None, "Ours.\n"),
}


@pytest.mark.parametrize("folder", [".", "services/avion-auth"])
def test_plan_and_update_agree(template, generate, git, folder):
    old, own, new, classes, after = ({f"{name}.md": case[part] for name, case in CASES.items()} for part in range(5))
    top = generate(template(old, new), folder)
    write(top / folder, own)
    commit(git, top)

    planned = dict(reversed(line.split()) for line in fleet("plan", top / folder, status=1).stdout.splitlines())
    assert planned.pop(ANSWERS) == "clean"
    assert planned == {name: told for name, told in classes.items() if told}

    (updated,) = fleet("update", top / folder, status=1).stdout.splitlines()
    state, _, branch, *trouble = updated.replace(":", "").replace(",", "").split()
    assert state == "conflict"
    prefix = "" if folder == "." else f"{folder}/"
    bad = sorted(name for name, told in classes.items() if told in ("conflict", "would-lose-edits"))
    assert trouble == [prefix + name for name in bad]
    found = {name: run("git", "show", f"{branch}:{prefix}{name}", cwd=top) for name in classes}
    texts = {name: one.stdout if one.returncode == 0 else None for name, one in found.items()}
    marked = {
        name: text and text.splitlines()[0] if after[name] and "<<<" in after[name] else text
        for name, text in texts.items()
    }
    assert marked == after


def test_status_sees_an_edit_that_came_with_the_first_commit(template, generate, git, tmp_path):
    top = generate(template({"a.md": THREE, "b.md": THREE, "own.md": THREE}, {"a.md": THREE}), "avion-auth")
    service = top / "avion-auth"
    write(service, {"a.md": "Ours.\n", "b.md": None, "own.md": "Ours.\n", "c.md": "Ours.\n"})
    git("add", "--all", cwd=top)
    git("commit", "--quiet", "--amend", "--no-edit", cwd=top)
    row = [str(service), OLD, "1", "a.md", "b.md"]
    assert fleet("status", service).stdout.splitlines()[1].split() == row
    # What a release has written is known from then on. A version that is none is rendered each time.
    (tmp_path / "template/copier.yml").unlink()
    assert fleet("status", service).stdout.splitlines()[1].split() == row


def test_status_says_where_it_cannot_tell(template, generate, git):
    top = generate(template({"a.md": THREE}, {"a.md": THREE}), "avion-auth", "avion-user")
    answers = top / "avion-auth" / ANSWERS
    answers.write_text(answers.read_text().replace(OLD, "v0.9.0"))
    said = fleet("status", top / "avion-auth", top / "avion-user", status=1)
    assert [line.split()[1:] for line in said.stdout.splitlines()[1:]] == [
        ["v0.9.0", "unreleased", "unknown"],
        [OLD, "1", "-"],
    ]
    assert str(top / "avion-auth") in said.stderr


@pytest.fixture
def monorepo(template, generate, git) -> Path:
    """A root, and services in folders: one has an edit that merges, one an edit that conflicts."""
    top = generate(template({"a.md": THREE}, {"a.md": "One.\n\nNew.\n\nThree.\n", "b.zip": "New.\n"}), *FOLDERS)
    write(top / "avion-user", {"a.md": THREE + "\nOurs.\n"})
    write(top / "avion-media", {"a.md": "One.\n\nOurs.\n\nThree.\n"})
    write(top, {".gitignore": "*.zip\n", "app/main.go": "package main\n"})
    commit(git, top)
    return top


FOLDERS = (".", "avion-auth", "services/avion-user", "avion-user", "avion-media")


def test_together_is_one_branch_with_one_commit_and_conflicts_are_apart(monorepo, git):
    folders = [monorepo / folder for folder in FOLDERS]
    lines = fleet("update", "--together", "--workers", "2", *folders, status=1).stdout.splitlines()
    conflict = "avion-template/avion-media/v1.1.0-conflict"
    assert lines[:-1] == [f"updated   {folder}  {BRANCH}" for folder in folders[:-1]]
    assert lines[-1] == f"conflict  {folders[-1]}  {conflict}: avion-media/a.md"
    assert git("branch", "--list", "--format=%(refname:short)", "avion-template/*", cwd=monorepo).split() == [
        conflict,
        BRANCH,
    ]
    assert git("rev-list", "--count", f"main..{BRANCH}", cwd=monorepo).strip() == "1"
    expected = {f"{folder}/{name}".removeprefix("./") for folder in FOLDERS[:-1] for name in (ANSWERS, "a.md", "b.zip")}
    assert set(git("diff", "--name-only", f"main..{BRANCH}", cwd=monorepo).splitlines()) == expected
    assert git("show", f"{BRANCH}:avion-user/a.md", cwd=monorepo) == "One.\n\nNew.\n\nThree.\n\nOurs.\n"
    assert git("status", "--porcelain", cwd=monorepo) == ""

    assert (
        git("log", "-1", "--format=%B", BRANCH, cwd=monorepo).strip()
        == f"""\
Update the migration template to v1.1.0

{monorepo.name}, from v1.0.0: files 1 added, 2 changed.

avion-auth, from v1.0.0: files 1 added, 2 changed.

services/avion-user, from v1.0.0: files 1 added, 2 changed.

avion-user, from v1.0.0: files 1 added, 2 changed.
Merged with changes that the service made in the template's files:
- a.md

What the template says of it, after v1.0.0:

1.1.0

Breaking:

- The second line says something else."""
    )


def test_together_again_finds_what_is_there_and_refuses_to_add_to_it(monorepo, git, template, tmp_path):
    fleet("update", "--together", monorepo, monorepo / "avion-auth")
    again = fleet("update", "--together", monorepo, monorepo / "avion-auth", monorepo / "avion-user", status=1)
    assert again.stdout.splitlines() == [
        f"there     {monorepo}  {BRANCH}",
        f"there     {monorepo / 'avion-auth'}  {BRANCH}",
        f"failed    {monorepo / 'avion-user'}  {BRANCH} is there without this service: delete that branch to begin anew.",
    ]
    git("branch", "--quiet", "--delete", "--force", BRANCH, cwd=monorepo)
    fleet("update", monorepo / "avion-auth")
    alone = fleet("update", "--together", monorepo, monorepo / "avion-auth")
    assert [line.split()[0] for line in alone.stdout.splitlines()] == ["updated", "there"]


def test_together_and_waves_exclude_each_other(monorepo):
    said = fleet("update", "--together", "--wave", "1", monorepo, status=1).stderr
    assert "use one of them" in said
    assert said.count("\n") == 1


def test_branch_holds_what_the_service_ignores(monorepo, git):
    fleet("update", monorepo / "avion-auth")
    assert git("show", "avion-template/avion-auth/v1.1.0:avion-auth/b.zip", cwd=monorepo) == "New.\n"


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="this machine has no ssh-keygen")
def test_who_signs_commits_gets_a_signed_one_or_the_reason_why_not(monorepo, git, tmp_path):
    service = monorepo / "avion-auth"
    key = tmp_path / "key"
    for name, value in (("commit.gpgsign", "true"), ("gpg.format", "ssh"), ("user.signingkey", f"{key}.pub")):
        git("config", name, value, cwd=monorepo)
    said = fleet("update", service, status=1).stdout
    assert said.startswith("failed ")
    assert f"{key}.pub" in said, "what the program said that could not sign"
    made = run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    fleet("update", service)
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in git(
        "cat-file", "commit", "avion-template/avion-auth/v1.1.0", cwd=service
    )


def test_author_is_who_commits_in_the_service(monorepo, git):
    git("config", "user.name", "Somebody", cwd=monorepo)
    fleet("update", monorepo / "avion-auth")
    branch = "avion-template/avion-auth/v1.1.0"
    assert git("log", "-1", "--format=%an %cn", branch, cwd=monorepo) == "Somebody Somebody\n"


def test_a_commit_that_comes_meanwhile_is_not_undone(monorepo, git, tmp_path):
    """A branch follows the commit that was updated, and services that were updated from two commits share none."""
    auth, user = (Checkout.read(monorepo / name) for name in ("avion-auth", "avion-user"))

    def updated_and_then_a_commit(checkout: Checkout) -> Change:
        change = update(checkout, NEW, str(tmp_path), together=False)
        commit(git, monorepo, "Meanwhile")
        return change

    changes = [updated_and_then_a_commit(checkout) for checkout in (auth, user)]
    outcome = published(changes, str(tmp_path))
    assert (outcome.state, "run again" in outcome.detail) == ("failed", True)
    assert git("branch", "--list", "avion-template/*", cwd=monorepo) == ""

    change = updated_and_then_a_commit(auth)
    branch = published([change], str(tmp_path)).detail
    parent, before = git("rev-parse", f"{branch}~1", "main~1", cwd=monorepo).split()
    assert parent == before == change.head
