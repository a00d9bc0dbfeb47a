"""Answers can change later: a part or a consideration comes and goes, a name, the language or PostgreSQL's version changes,
and nothing that the service wrote is lost without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ACCESS = "k8s/migrations/auth-migration-access.yaml"
CRONJOB = "k8s/migrations/auth-migration-maintenance.yaml"
SETUP = "docs/migration-setup.md"
ALL = "parts=[compose, github_actions, kubernetes, prometheus]"


@pytest.fixture
def change(copier_cli, git) -> Callable[..., None]:
    """change(service, "docs_language=en"): other answers at the same version, as the answers file tells people to do it."""

    def change(service: Path, *answers: str) -> None:
        data = [f"--data={answer}" for answer in answers]
        changed = copier_cli(["update", "--vcs-ref=:current:", "--defaults", *data], cwd=service)
        assert changed.returncode == 0, changed.stderr

    return change


@pytest.fixture
def save(git) -> Callable[[Path], None]:
    def save(service: Path) -> None:
        git("add", "--all", cwd=service)
        git("commit", "--quiet", "--message=Ours", cwd=service)

    return save


@pytest.fixture
def left(run) -> Callable[[Path], list[str]]:
    """left(service): what the first step of the workflow and of `make migrate-template-check` says about the update."""

    def left(service: Path) -> list[str]:
        ended = run("sh", "tools/migrate/template-check.sh", cwd=service)
        assert ended.returncode == (1 if ended.stderr else 0)
        return ended.stderr.splitlines()

    return left


def own_line(service: Path, file: str) -> None:
    (service / file).write_text((service / file).read_text() + "# Ours\n")


def tick(service: Path, item: str) -> None:
    text = (service / SETUP).read_text()
    ticked, count = re.subn(rf"(<!-- {item} -->\n+- \[) \]", r"\1x]", text)
    assert count == 1
    (service / SETUP).write_text(ticked)


def edited(file: str) -> str:
    return (
        f"migrate: {file} was edited here, and the update deletes it: "
        f"bring it back with git checkout HEAD -- {file}, or commit to let it go"
    )


def kinds(git, service: Path) -> dict[str, str]:
    """What git says of each file that an update touched."""
    lines = git("status", "--porcelain", "--untracked-files=all", cwd=service).splitlines()
    return {line[3:]: line[:2].strip() for line in lines}


def test_dropping_a_part_deletes_its_files_and_names_those_that_were_edited(committed, git, change, save, left):
    service = committed()
    own_line(service, ACCESS)
    (service / "k8s/own.yaml").write_text("own: true\n")
    (service / "monitoring/own.yaml").write_text("own: true\n")
    save(service)
    change(service, "parts=[compose, github_actions]")
    assert not (service / ACCESS).exists()
    assert left(service) == [edited(ACCESS)]
    git("checkout", "HEAD", "--", ACCESS, cwd=service)
    assert left(service) == []
    there = {
        file.relative_to(service).as_posix()
        for place in ("k8s", "monitoring")
        for file in service.glob(f"{place}/**/*.*")
    }
    assert there == {ACCESS, "k8s/own.yaml", "monitoring/own.yaml"}
    save(service)
    # The next update leaves alone what is now the service's.
    change(service, "parts=[compose, github_actions]")
    assert kinds(git, service) == {}


def test_edited_file_may_be_let_go(committed, change, save, left):
    service = committed()
    own_line(service, ACCESS)
    save(service)
    change(service, "parts=[compose]")
    save(service)
    assert left(service) == []


def test_what_nobody_edited_and_what_people_delete_themselves_is_not_named(committed, git, change, save, left):
    service = committed()
    change(service, "parts=[]")
    assert {kind for file, kind in kinds(git, service).items() if file.startswith(("k8s/", "monitoring/"))} == {"D"}
    assert left(service) == []
    git("checkout", "--quiet", "HEAD", ".", cwd=service)
    own_line(service, ACCESS)
    save(service)
    (service / ACCESS).unlink()
    assert left(service) == []


@pytest.mark.parametrize("layout", ["repository", "monorepo-service"])
def test_choosing_a_part_later_brings_it(committed, rendered, git, change, layout):
    folder = "." if layout == "repository" else "services/avion-auth"
    service = committed("parts=[]", f"layout={layout}", folder=folder)
    change(service, ALL)
    whole = rendered(layout=layout)
    expected = {file.relative_to(whole).as_posix() for file in whole.rglob("*") if file.is_file()}
    brought = {file for file in expected if (service / file).exists()}
    # A file that is created once comes with the first copy only: migrate-wire says how to include compose.migrations.yaml.
    assert expected - brought == {"docker-compose.yml"}
    for file in sorted(brought - {".copier-answers.yml", "README.md"}):
        assert (service / file).read_bytes() == (whole / file).read_bytes(), file


def test_choosing_again_shows_both_sides_of_a_file_that_was_kept(committed, change, git, save, left):
    service = committed()
    own_line(service, ACCESS)
    save(service)
    change(service, "parts=[compose]")
    git("checkout", "HEAD", "--", ACCESS, cwd=service)
    save(service)
    change(service, ALL)
    assert "# Ours\n" in (service / ACCESS).read_text()
    assert any(ACCESS in sentence for sentence in left(service))


def test_dropping_a_consideration_names_the_edited_cronjob(committed, change, save, left):
    service = committed()
    own_line(service, CRONJOB)
    save(service)
    change(service, "considerations=[]")
    assert left(service) == [edited(CRONJOB)]


def test_another_service_name_names_what_was_edited_under_the_old_one(committed, change, save, left):
    service = committed()
    own_line(service, ACCESS)
    tick(service, "apply-access")
    save(service)
    change(service, "service_name=login", "author=avion-login team", "image=ghcr.io/avion/avion-login-migration")
    assert left(service) == [edited(ACCESS)]
    assert (service / "k8s/migrations/login-migration-access.yaml").exists()
    assert re.search(r"<!-- apply-access -->\n- \[x\]", (service / SETUP).read_text())


def test_another_version_of_postgresql_conflicts_with_no_tick(committed, change, save, left):
    service = committed()
    for item in ("env", "secret", "apply-access", "considerations"):
        tick(service, item)
    save(service)
    change(service, "postgres_version=18")
    assert left(service) == []
    assert len(re.findall(r"- \[x\]", (service / SETUP).read_text())) > 4
    assert "postgres:18" in (service / "compose.migrations.yaml").read_text()
    # The volume keeps its name, and what it holds is of the old version.
    assert "postgres_data:/var/lib/postgresql\n" in (service / "compose.migrations.yaml").read_text()


def test_names_of_database_and_folder_change_where_the_template_wrote_them(committed, git, change, save, left):
    service = committed()
    (service / "db").mkdir()
    git("mv", "migrations", "db/migrations", cwd=service)
    save(service)
    change(service, "migrations_dir=db/migrations", "database_name=app", "database_user=app")
    assert left(service) == []
    assert [file.name for file in sorted((service / "db/migrations").iterdir())] == [
        ".gitkeep",
        "00001_init_schema.sql",
    ]
    assert not (service / "migrations").exists()
    assert "dir: ./db/migrations\n" in (service / ".goose.yml").read_text()


def test_own_server_can_be_used_later(committed, change, left):
    service = committed()
    change(service, "compose_server=db")
    assert left(service) == []
    text = (service / "compose.migrations.yaml").read_text()
    assert "image: postgres" not in text
    assert "DB_HOST: db\n" in text


def test_service_of_a_monorepo_keeps_the_names_that_it_has(committed, change, git, save):
    """A service that an earlier version made has no such answer, and its own compose file names the others plainly."""
    service = committed(
        "layout=monorepo-service", "compose_names=plain", "compose_port=5432", folder="services/avion-auth"
    )
    answers = service / ".copier-answers.yml"
    text = answers.read_text()
    answers.write_text(re.sub(r"(?m)^compose_(names|port|server): .*\n", "", text))
    assert answers.read_text() != text
    save(service)
    change(service)
    assert kinds(git, service) == {"services/avion-auth/.copier-answers.yml": "M"}
    assert answers.read_text() == text
