"""Services of 0.1.0 and 0.2.0 hold the engine's source, later ones hold it sealed: the way there, on to the next, and back.

Real builds and a real server; what is compiled once is in Go's cache for the other tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.release.history import releases, tag
from dev.toolchain import command
from dev.toolchain.install import ROOT
from dev.toolchain.published import URL, git_configuration
from tests.amounts import others_slow
from tests.conftest import DEV, ENGINE

OLD, HEAD, NEXT = "v0.2.0", "v9999.0.0", "v9999.1.0"
# With a digest, because Go's module cache outlives the tests and keeps what it once saw under a name.
NEXT_ENGINE = "v1.9999.0-dev"
SOURCES = "tools/migrate/internal"
# What is not as in a fresh copy: an edit, and what was created once, on another day.
OTHERWISE = {".goose.yml", ".copier-answers.yml", "migrations/00001_init_schema.sql"}
SEALED = "tools/migrate/engine/avion.internal/migrate/@v"


@pytest.fixture(scope="module")
def released(template, git, tmp_path_factory) -> Path:
    """Every release, this work tree, and one more release that changes a line of the engine."""
    clone = tmp_path_factory.mktemp("released") / "template"
    git("clone", "--quiet", template, clone, cwd=clone.parent)
    tag(clone, releases())
    source = clone / "engine/cmd/migrate/main.go"
    source.write_text(source.read_text().replace("package main", "package main // of the next release", 1))
    seal(clone, NEXT_ENGINE)
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message=The next release", cwd=clone)
    git("tag", NEXT, cwd=clone)
    return clone


def seal(clone: Path, version: str) -> None:
    ended = command.run(
        *("go", "run", ".", clone / "engine", clone / "template/tools/migrate", version),
        cwd=clone / "dev/seal",
        env={"GOWORK": "off"},
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def copier(released, tmp_path) -> Callable:
    """copier("update", cwd=service): the command itself, which finds every release under the README's name."""
    variables = git_configuration(tmp_path / "gitconfig", released)
    with (tmp_path / "gitconfig").open("a") as configuration:
        configuration.write(f"insteadOf = {URL.removesuffix('.git')}\n")

    def copier(*arguments: str | Path, cwd: Path) -> None:
        result = command.run("copier", *arguments, cwd=cwd, env=variables)
        assert result.returncode == 0, result.stderr

    return copier


@pytest.fixture
def made_by(copier, git, tmp_path) -> Callable[..., Path]:
    """made_by("v0.2.0"): a service of that release, committed."""

    def made_by(version: str, folder: str = "avion-auth", *data: str) -> Path:
        service = tmp_path / folder
        options = ["--defaults", f"--vcs-ref={version}", "gh:org/avion-migration-template"]
        copier("copy", *data, *options, service, cwd=tmp_path)
        if not data:
            git("init", "--quiet", "--initial-branch=main", cwd=service)
            commit(git, service)
        return service

    return made_by


def commit(git, folder: Path, message: str = "Work") -> None:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", f"--message={message}", cwd=folder)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def make(service: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return command.run("make", *words, cwd=service, env=env or {}, timeout=900)


@pytest.mark.parametrize(
    "old", others_slow([release.tag for release in reversed(releases()) if release.version < "0.3"], 1)
)
def test_sources_leave_and_what_is_the_services_own_stays(made_by, copier, git, tmp_path, old):
    service = made_by(old)
    own = {f"{SOURCES}/cli/own.go": "package cli\n", "tools/migrate/own/notes.md": "Ours\n"}
    for name, text in own.items():
        (service / name).parent.mkdir(parents=True, exist_ok=True)
        (service / name).write_text(text)
    # Which a repository with Java in it has, too.
    (service / ".gitignore").write_text(".env\n*.zip\n")
    commit(git, service)
    built = service / "tools/migrate/bin/migrate"
    built.parent.mkdir(exist_ok=True)
    built.write_text("What was built.\n")
    assert git("status", "--porcelain", cwd=service) == ""

    copier("update", "--defaults", f"--vcs-ref={HEAD}", cwd=service)
    copier(
        "copy",
        "--defaults",
        f"--vcs-ref={HEAD}",
        "gh:org/avion-migration-template",
        tmp_path / "fresh/avion-auth",
        cwd=tmp_path,
    )
    assert names(service / "tools/migrate") == {
        *names(tmp_path / "fresh/avion-auth/tools/migrate"),
        *(name.removeprefix("tools/migrate/") for name in own),
        "bin/migrate",
    }
    checked = command.run("sh", "tools/migrate/template-check.sh", cwd=service)
    assert checked.returncode == 0, checked.stderr
    # What was built before is no part of the history, whoever adds everything.
    git("add", "--all", cwd=service)
    staged = git("diff", "--cached", "--name-only", cwd=service)
    assert "tools/migrate/bin" not in staged
    assert {path.rpartition(".")[2] for path in staged.split() if path.startswith(SEALED)} == {"info", "mod", "zip"}


def test_edited_sources_are_named_before_they_go(made_by, git, copier, tmp_path):
    service = made_by(OLD)
    edited = f"{SOURCES}/cli/ping.go"
    (service / edited).write_text((service / edited).read_text() + "// Ours\n")
    commit(git, service)
    variables = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    planned = command.run(
        *(sys.executable, "-m", "avion_template", "plan", service, "--to", HEAD), cwd=ROOT, env=variables
    )
    assert planned.returncode == 1
    lines = planned.stdout.splitlines()
    assert lines[0].split() == ["would-lose-edits", edited]
    assert sum(line.startswith("deleted ") for line in lines) > 150
    assert not [line for line in lines if line.startswith("conflict ")]
    assert "take the change to engine/ of the template" in planned.stderr
    assert planned.stderr.count("\n") == 1


def test_a_bumped_go_mod_is_a_conflict_that_is_named_before_anything_is_built(made_by, copier, git):
    service = made_by(OLD)
    for file, old, new in (
        ("go.mod", r"(github.com/jackc/pgx/v5) v\S+", r"\1 v5.99.0"),
        ("go.sum", r"(github.com/jackc/pgx/v5) v\S+ h1:\S+", r"\1 v5.99.0 h1:bumped="),
    ):
        path = service / "tools/migrate" / file
        path.write_text(re.sub(old, new, path.read_text(), count=1))
    commit(git, service, "Bump pgx, as a bot would")
    copier("update", "--defaults", f"--vcs-ref={HEAD}", cwd=service)
    for say in (
        ("sh", "tools/migrate/template-check.sh"),
        ("make", "migrate-template-check"),
        ("make", "migrate-build"),
    ):
        said = command.run(*say, cwd=service)
        assert said.returncode != 0
        assert "tools/migrate/go.mod" in said.stderr
        assert "conflict markers" in said.stderr
    assert not (service / ENGINE).exists()


def test_the_next_engine_takes_the_place_of_this_one(made_by, copier, git, tmp_path):
    service = made_by(HEAD)
    (before,) = (service / SEALED).glob("*.zip")
    edit = service / ".goose.yml"
    edit.write_text(edit.read_text().replace("table: goose_db_version", "table: auth_version"))
    commit(git, service)
    copier("update", "--defaults", f"--vcs-ref={NEXT}", cwd=service)
    assert git("ls-files", "--unmerged", cwd=service) == ""
    sealed = list((service / SEALED).iterdir())
    assert sorted(path.suffix for path in sealed) == [".info", ".mod", ".zip"]
    assert all(path.name.startswith(f"{NEXT_ENGINE}.") for path in sealed)
    assert (
        before.stem
        not in (service / "tools/migrate/go.sum").read_text() + (service / "tools/migrate/go.mod").read_text()
    )
    copier(
        "copy",
        "--defaults",
        f"--vcs-ref={NEXT}",
        "gh:org/avion-migration-template",
        tmp_path / "fresh/avion-auth",
        cwd=tmp_path,
    )
    fresh = tmp_path / "fresh/avion-auth"
    assert names(service / "tools") == names(fresh / "tools")
    assert [
        name for name in names(fresh) - OTHERWISE if (fresh / name).read_bytes() != (service / name).read_bytes()
    ] == []

    # What a reviewer reads of a release that changes one line of the engine: six files, whose lines are few.
    git("add", "--all", cwd=service)
    assert len(git("diff", "--cached", "--find-renames", "--name-only", cwd=service).split()) == 6
    entries = git("diff", "--cached", "--no-renames", "--numstat", cwd=service)
    lines = {path: (added, removed) for added, removed, path in map(str.split, entries.splitlines())}
    sealed = {path for path in lines if path.startswith(SEALED)}
    assert {re.sub(r"/v[^/]*\.", "/", path) for path in sealed} == {
        f"{SEALED}/{kind}" for kind in ("info", "mod", "zip")
    }
    assert {path: lines[path] for path in lines.keys() - sealed} == {
        ".copier-answers.yml": ("1", "1"),
        "tools/migrate/go.mod": ("1", "1"),
        "tools/migrate/go.sum": ("2", "2"),
    }


@pytest.mark.slow
def test_a_service_goes_on_with_0_2_0_and_back_to_it(made_by, copier, git, database):
    """The database that the newer engine has migrated stays one that the older can migrate."""
    service = made_by(OLD)
    assert make(service, "migrate-up", env=database).returncode == 0
    assert make(service, "migrate-validate").returncode == 0

    copier("update", "--defaults", f"--vcs-ref={HEAD}", cwd=service)
    commit(git, service, "Update")
    write_migration(service, 2)
    assert make(service, "migrate-up", env=database).returncode == 0
    commit(git, service)

    copier("recopy", "--defaults", "--overwrite", f"--vcs-ref={OLD}", cwd=service)
    assert (service / SOURCES).is_dir()
    write_migration(service, 3)
    up = make(service, "migrate-up", env=database)
    assert up.returncode == 0, up.stderr
    status = make(service, "migrate-status", env=database)
    assert status.returncode == 0, status.stderr
    assert "ending" not in status.stdout
    assert database.value("SELECT max(version_id) FROM goose_db_version") == 3
    version = command.run("go", "version", "-m", ENGINE, cwd=service).stdout
    assert "avion.internal" not in version, "the program is the old engine's"


def write_migration(service: Path, number: int) -> None:
    name = f"table_{number}"
    (service / f"migrations/0000{number}_{name}.sql").write_text(
        f"-- +goose Up\nCREATE TABLE {name} (id bigint PRIMARY KEY);\n\n-- +goose Down\nDROP TABLE {name};\n"
    )


@pytest.mark.slow
def test_services_of_a_monorepo_have_the_engines_of_their_versions_and_no_go_work_disturbs(made_by, git, tmp_path):
    inside = "--data=layout=monorepo-service"
    versions = {"avion-auth": HEAD, "avion-user": NEXT}
    for name, version in versions.items():
        made_by(version, f"avion/{name}", inside)
    top = tmp_path / "avion"
    (top / "go.mod").write_text("module avion\n\ngo 1.26\n")
    # One that claims the folders for itself, and names a module that is not there.
    (top / "go.work").write_text("go 1.26\n\nuse (\n\t.\n\t./avion-auth/tools/migrate\n\t./missing\n)\n")
    git("init", "--quiet", cwd=top)
    commit(git, top)
    for name, version in versions.items():
        built = make(top / name, "migrate-build")
        assert built.returncode == 0, built.stderr
        for program in (ENGINE, DEV):
            said = command.run("go", "version", "-m", program, cwd=top / name, env={"GOWORK": "off"}).stdout
            (engine,) = re.findall(r"\tavion\.internal/migrate\t(\S+)", said)
            assert engine == json.loads(next((top / name / SEALED).glob("*.info")).read_text())["Version"]
            assert engine.startswith(NEXT_ENGINE) == (version == NEXT)
