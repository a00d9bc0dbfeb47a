"""The how-to pages about monorepos do what they say: every command block, in its order, on real repositories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration

ANSWERS_FILE = ".copier-answers.yml"
OLDER, NEWEST, LATER = "v9998.0.0", "v9999.0.0", "v9999.1.0"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs/how-to" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(run, template, engine, git, tmp_path):
    """shell(commands, cwd): what a person types there; git finds this work tree where the README's name leads."""
    # An older version, so that there is something to update to.
    older = tmp_path / "template.git"
    git("clone", "--quiet", "--bare", template, older, cwd=tmp_path)
    git("tag", OLDER, f"{NEWEST}~1", cwd=older)
    variables = git_configuration(tmp_path / "gitconfig", older)

    def shell(commands: str, cwd: Path):
        # The engine is built from the same files each time; only the first time has to wait for it.
        result = run("bash", "-euo", "pipefail", "-c", commands, cwd=cwd, env=variables, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    return shell


@pytest.fixture
def monorepo(git, tmp_path) -> Path:
    folder = tmp_path / "avion"
    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    git("commit", "--quiet", "--allow-empty", "--message=Begin", cwd=folder)
    return folder


def answers(folder: Path) -> dict:
    return yaml.safe_load((folder / ANSWERS_FILE).read_text())


def version(folder: Path) -> str:
    return answers(folder)["_commit"]


def test_page_about_monorepos(shell, monorepo, git):
    first, second, update_from_root, update_inside = blocks("monorepo.md")
    for commands in (first, second):
        shell(commands.replace("copier copy", f"copier copy --vcs-ref={OLDER}"), monorepo)
        changed = git("show", "--name-only", "--format=", "HEAD", cwd=monorepo).split()
    assert all(path.startswith("avion-user/") for path in changed)
    assert (monorepo / ".github/workflows/migrations.yml").is_file()
    assert not (monorepo / "avion-auth/.github").exists()

    shell(update_from_root, monorepo)
    assert (version(monorepo / "avion-auth"), version(monorepo / "avion-user")) == (NEWEST, OLDER)
    said = shell(update_inside, monorepo)
    assert version(monorepo / "avion-user") == NEWEST
    assert f"the files are those of the template's {NEWEST}" in said.stderr
    assert git("status", "--porcelain", cwd=monorepo) == ""
    assert version(monorepo) == OLDER
    shell("copier update --defaults", monorepo)
    assert git("status", "--porcelain", cwd=monorepo).split() == ["M", ANSWERS_FILE]


@pytest.mark.slow
def test_the_trap_and_the_way_out_are_as_the_page_says(shell, monorepo, git, tmp_path):
    first, *_ = blocks("monorepo.md")
    shell(first, monorepo)
    (monorepo / "avion-auth/migrations.mk").unlink()
    git("commit", "--quiet", "--all", "--message=Delete", cwd=monorepo)
    template = tmp_path / "later"
    git("clone", "--quiet", tmp_path / "template.git", template, cwd=tmp_path)
    (template / "template/docs/new.md").write_text("New in this version.\n")
    git("add", "--all", cwd=template)
    git("commit", "--quiet", "--message=Later", cwd=template)
    git("tag", LATER, cwd=template)
    git("push", "--quiet", "origin", LATER, cwd=template)

    page = (ROOT / "docs/how-to/monorepo.md").read_text()
    wrong, back, look, remove = re.findall(r"`((?:copier|git) [^`]* -[^`]*)`", page.partition("\n## Never name")[2])
    shell(wrong.replace("copier update", "copier update --defaults"), monorepo)
    assert version(monorepo / "avion-auth") == LATER
    assert git("status", "--porcelain", cwd=monorepo).split() == ["M", f"avion-auth/{ANSWERS_FILE}", "??", "docs/"]
    shell(back, monorepo)
    assert version(monorepo / "avion-auth") == NEWEST
    assert "Would remove docs/" in shell(look, monorepo).stdout
    shell(remove, monorepo)
    assert git("status", "--porcelain", cwd=monorepo) == ""


@pytest.mark.slow
def test_page_about_moving_a_service(shell, monorepo, git, tmp_path):
    into, out, afterwards = blocks("move-between-layouts.md")
    service = tmp_path / "avion-auth"
    shell("copier copy --defaults gh:org/avion-migration-template avion-auth", tmp_path)
    git("init", "--quiet", "--initial-branch=main", cwd=service)
    for migration in ("00002_add_users.sql", "00003_add_drops.sql"):
        (service / "migrations" / migration).write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
        git("add", "--all", cwd=service)
        git("commit", "--quiet", f"--message={migration}", cwd=service)
    migrations = {file.name: file.read_bytes() for file in (service / "migrations").iterdir()}
    before = answers(service)

    shell(into, monorepo)
    inside = monorepo / "avion-auth"
    assert answers(inside) == before | {"layout": "monorepo-service"}
    assert not (inside / ".github").exists()
    assert "00003_add_drops.sql" in git("log", "--format=%s", cwd=monorepo)

    shell(out, monorepo)
    alone = tmp_path / "avion-auth-alone"
    assert answers(alone) == before
    assert (alone / ".github/workflows/auth-migration.yml").is_file()
    assert "00002_add_users.sql" in git("log", "--format=%s", "--", "migrations/00002_add_users.sql", cwd=alone)
    for folder in (inside, alone):
        assert {file.name: file.read_bytes() for file in (folder / "migrations").iterdir()} == migrations
    assert git("status", "--porcelain", cwd=alone) == ""

    shell(afterwards, monorepo)
    assert not (inside / "migrations").exists()
