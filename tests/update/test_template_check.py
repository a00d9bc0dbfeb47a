"""`make migrate-template-check` passes for what Copier wrote, and finds an unfinished update and an edited answers file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import once

SOURCE = "gh:org/avion-migration-template"


@pytest.fixture
def check(run):
    """check(service): what the target says; the sentences of all problems, or nothing."""

    def check(service: Path) -> list[str]:
        result = run("make", "migrate-template-check", cwd=service)
        sentences = [line for line in result.stderr.splitlines() if not line.startswith(("make", "migrations.mk:"))]
        if result.returncode == 0:
            assert sentences == ["the files are those of the template's v9999.0.0, merged completely"]
            return []
        assert "Error 1" in result.stderr or "an update of the template is not finished" in result.stderr
        return sentences

    return check


def edit(service: Path, file: str, old: str, new: str) -> None:
    text = (service / file).read_text()
    assert old in text
    (service / file).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("folder", "answers"),
    [
        (".", []),
        (".", ["production_ssl_mode=verify-full"]),
        ("services/avion-system-admin", ["layout=monorepo-service"]),
    ],
)
def test_generated_service_passes(committed, check, folder, answers):
    assert check(committed(*answers, folder=folder)) == []


def test_service_passes_before_its_first_commit(committed, git, check):
    service = committed()
    shutil.rmtree(service / ".git")
    git("init", "--quiet", cwd=service)
    assert check(service) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (".copier-answers.yml", "_commit: v9999.0.0", "_commit: v9999.0.0-1-gabcdef0", "which is no released version"),
        (".copier-answers.yml", "_commit: v9999.0.0", "_commit: main", "which is no released version"),
        (".copier-answers.yml", SOURCE, "../avion-migration-template", "no address that a bot can fetch"),
        (".copier-answers.yml", "service_name: auth", "service_name: user", "one of them was edited by hand"),
        (".copier-answers.yml", "prefix: avion", "prefix: other", "one of them was edited by hand"),
        (".copier-answers.yml", "mode: require", "mode: verify-ca", "restore both from git"),
        (".copier-answers.yml", "layout: repository", "layout: monorepo-service", "layout is"),
        (".copier-answers.yml", "_commit: ", "_commit", "cannot be read"),
        (".goose.yml", "service: avion-auth", "service: avion-user", "one of them was edited by hand"),
        ("compose.migrations.yaml", "services:", "<<<<<<< before updating\nservices:", "holds conflict markers"),
        ("docs/migration-setup.md", "\n", "\n>>>>>>> after updating\n", "holds conflict markers"),
    ],
)
def test_unfinished_update_and_edited_answer_are_found(committed, check, file, old, new, sentence):
    service = committed()
    edit(service, file, old, new)
    (said,) = check(service)
    assert sentence in said


def test_rejected_change_is_found_where_git_ignores_it(committed, check):
    service = committed()
    with (service / ".gitignore").open("a") as ignored:
        ignored.write("*.rej\n")
    (service / "migrations.mk.rej").write_text("@@ -1 +1 @@\n-old\n+new\n")
    (sentence,) = check(service)
    assert "migrations.mk.rej holds a change that could not be merged" in sentence


@pytest.fixture
def inside(committed, copier_cli, git, shared, tmp_path) -> Path:
    """A service in a monorepo whose root has the template, too."""

    def commit(folder: Path) -> None:
        root = committed("layout=monorepo-service", folder="platform/avion-auth").parents[1]
        copied = copier_cli(["copy", "--defaults", "--data=layout=monorepo-root", SOURCE, str(root)], cwd=root)
        assert copied.returncode == 0, copied.stderr
        git("add", "--all", cwd=root)
        git("commit", "--quiet", "--message=Root", cwd=root)
        root.rename(folder / "avion")

    root = once(shared, ["monorepo with its root"], commit) / "avion"
    return shutil.copytree(root, tmp_path / "avion") / "platform/avion-auth"


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (".copier-answers.yml", "_commit: v9999.0.0", "_commit: main", "../../.copier-answers.yml: _commit is"),
        (".copier-answers.yml", SOURCE, "../template", "../../.copier-answers.yml: _src_path is no address"),
        (
            ".copier-answers.yml",
            "_commit: ",
            "<<<<<<< before updating\n_commit: ",
            "../../.copier-answers.yml holds conflict markers",
        ),
        (".github/workflows/migrations.yml", "jobs:", "<<<<<<< before updating\njobs:", "../../.github/workflows/"),
    ],
)
def test_unfinished_update_of_the_monorepos_root_is_found_in_its_services(inside, check, file, old, new, sentence):
    assert check(inside) == []
    edit(inside.parents[1], file, old, new)
    (said,) = check(inside)
    assert said.split("migrate: ")[-1].startswith(sentence), said


def test_file_that_was_not_merged_at_the_root_is_told_once(inside, check, git):
    root, file = inside.parents[1], ".github/workflows/migrations.yml"
    git("switch", "--quiet", "--create=other", cwd=root)
    for branch, name in (("other", "Theirs"), ("main", "Ours")):
        git("switch", "--quiet", branch, cwd=root)
        edit(root, file, "name: Database Migration", f"name: {name}")
        git("commit", "--quiet", "--all", f"--message={name}", cwd=root)
    with pytest.raises(AssertionError):
        git("merge", "--quiet", "other", cwd=root)
    edit(root, file, "<<<<<<< ", "")
    edit(root, file, ">>>>>>> ", "")
    (said,) = check(inside)
    assert f"../../{file} is not merged" in said


def test_other_files_and_another_template_at_the_root_are_left_alone(inside, check, git):
    root = inside.parents[1]
    (root / "other.md").write_text("<<<<<<< before updating\n")
    (root / "other.md.rej").touch()
    assert check(inside) == []
    (root / ".copier-answers.yml").write_text("_commit: main\n_src_path: ../other\nlayout: wide\n")
    assert check(inside) == []


def test_all_problems_are_told_at_once(committed, check):
    service = committed()
    edit(service, ".copier-answers.yml", "_commit: v9999.0.0", "_commit: main")
    edit(service, ".goose.yml", "service: avion-auth", "service: avion-user")
    assert len(check(service)) == 2


def test_answer_that_stands_in_no_compared_file_can_be_edited_unseen(committed, check):
    """What the check cannot see, as its documentation says."""
    service = committed()
    edit(service, ".copier-answers.yml", "migration_timeout: 300", "migration_timeout: 600")
    assert check(service) == []
