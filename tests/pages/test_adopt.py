"""A service with a Makefile, a history and hand-made copies of the manual follows docs/how-to/adopt.md and loses nothing."""

import re
from pathlib import Path

import pytest
import yaml
from copier import run_update

from dev.toolchain import install
from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration
from tests.conftest import put_engine

PAGE = (ROOT / "docs/how-to/adopt.md").read_text()

MAKEFILE = """.PHONY: build migrate-up
include own.mk

build:
\t@echo own build

migrate-up:
\t@goose -dir ./migrations postgres "$(DB_URL)" up"""

COMPOSE = """# The service and what it needs
version: "3.8"
services:
  postgres:
    image: postgres:15-alpine
    ports: ["5432:5432"]
  auth:  # answers requests
    build: .
"""

UP = "-- +goose Up\nCREATE TABLE {0} (id int);\n-- +goose Down\n-- +goose StatementBegin\n-- +goose StatementEnd\n"

OWN = {
    "Makefile": MAKEFILE,
    "own.mk": "\nmigrate-status:\n\t@goose status\n",
    "docker-compose.yml": COMPOSE,
    "README.md": "# avion-auth\r\n\r\nTells who is who.\r\n",
    "CONTRIBUTING.md": "# Contributing\n\nBe kind.\n",
    ".gitignore": "/bin/",
    ".goose.yml": "driver: postgres\ndir: ./migrations\ntable: auth_versions\n",
    ".env.example": "JWT_SECRET=changeme\n\nDB_HOST=localhost\n",
    "docs/migration-setup.md": "# avion-auth\n\n- [x] Told the team\n",
    ".github/workflows/auth-migration.yml": "name: by hand\n",
    "migrations/20240101120000_accounts.sql": UP.format("accounts"),
    "migrations/20240301080000_Sessions.sql": UP.format("sessions"),
    "migrations/embed.go": 'package migrations\n\nimport "embed"\n\n//go:embed *.sql\nvar Files embed.FS\n',
}
# What the template owns from now on.
REPLACED = {".goose.yml", ".env.example", "docs/migration-setup.md", ".github/workflows/auth-migration.yml"}


def steps() -> list[str]:
    """The commands of the page, a block each."""
    return re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def existing(tmp_path, git) -> Path:
    folder = tmp_path / "avion-auth"
    for name, text in OWN.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", "The service", cwd=folder)
    return folder


@pytest.fixture
def follow(existing, run, template, tmp_path, database):
    """follow(0): the first block of the page, as a person types it in the service's folder."""
    variables = git_configuration(tmp_path / "gitconfig", template)

    def follow(position: int, status: int = 0) -> str:
        result = run("bash", "-ec", steps()[position], cwd=existing, env=variables | database)
        assert result.returncode == status, result.stderr
        return result.stdout + result.stderr

    return follow


@pytest.fixture
def history(existing, run, database):
    """Two migrations that plain goose has applied."""
    url = "postgres://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}?sslmode=disable".format(**database)
    arguments = ("-dir", existing / "migrations", "-table", "auth_versions", "postgres", url, "up")
    result = run(install.goose(), *arguments, cwd=existing)
    assert result.returncode == 0, result.stderr
    return database.query("SELECT id, version_id, is_applied, tstamp FROM auth_versions ORDER BY id")


def edit(path: Path, *replacements: tuple[str, str]) -> None:
    text = path.read_bytes().decode()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    path.write_bytes(text.encode())


def test_a_person_who_follows_the_page_adopts_a_service(existing, follow, engine, history, database, git, template):
    copy, survey, look, validate, wire, write, migrate, commit = range(8)
    assert len(steps()) == 8

    follow(copy)
    put_engine(engine, existing)
    for name, text in OWN.items():
        if name not in REPLACED:
            assert (existing / name).read_bytes().decode() == text, f"{name} is the service's"
    assert sorted(path.name for path in (existing / "migrations").glob("*.sql")) == [
        "20240101120000_accounts.sql",
        "20240301080000_Sessions.sql",
    ]
    assert not list((existing / "migrations-seed").glob("*.sql")), "the first seed needs the first migration"

    page = follow(survey)
    for place in (
        "Makefile:8: runs goose up",
        "Makefile:8 has a target migrate-up",
        "migrations/embed.go:5: embeds *.sql",
        "migrations/20240101120000_accounts.sql and 1 file more: is not a migration's name",
        'docker-compose.yml:4 has "postgres"',
        "has a history in auth_versions: name it as table",
    ):
        assert place in page, page

    both = follow(look)
    for line in (
        "-table: auth_versions",
        "+table: goose_db_version",
        "-JWT_SECRET=changeme",
        "-- [x] Told the team",
        "-name: by hand",
    ):
        assert line in both.replace("\n ", "\n"), line
    edit(existing / ".goose.yml", ("table: goose_db_version", "table: auth_versions"))
    edit(existing / ".env.example", ("# Copy this file", "JWT_SECRET=changeme\n\n# Copy this file"))

    assert "naming: goose" in follow(validate, status=2)
    edit(existing / ".goose.yml", ("driver: postgres\n", "driver: postgres\nnaming: goose\n"))
    follow(validate)

    clashes = follow(wire, status=2)
    for place in (
        "Makefile:8 has a target migrate-up",
        "own.mk:3 has a target migrate-status",
        'docker-compose.yml:4 has "postgres"',
    ):
        assert place in clashes
    edit(existing / "Makefile", ('\n\nmigrate-up:\n\t@goose -dir ./migrations postgres "$(DB_URL)" up', ""))
    edit(existing / "own.mk", ("migrate-status:", "goose-status:"))
    edit(
        existing / "docker-compose.yml", ('  postgres:\n    image: postgres:15-alpine\n    ports: ["5432:5432"]\n', "")
    )
    assert "+include migrations.mk" in follow(wire)
    follow(write)

    shown = follow(migrate)
    assert "20240301080000_Sessions.sql" in shown
    assert "0 migrations pending" in shown
    assert database.query("SELECT id, version_id, is_applied, tstamp FROM auth_versions ORDER BY id") == history

    follow(commit)
    assert git("status", "--porcelain", cwd=existing) == ""
    compose = yaml.safe_load((existing / "docker-compose.yml").read_text())
    assert compose["include"] == ["compose.migrations.yaml"]
    assert "# answers requests" in (existing / "docker-compose.yml").read_text()
    for name, text in OWN.items():
        assert git("show", f"main:{name}", cwd=existing) == text.replace("\r\n", "\n"), "git has the service's side"

    later(existing, template, git)


def later(folder: Path, template: Path, git) -> None:
    """The next release changes the adopted files, and meets what the service has kept in them."""
    clone = folder.parent / "next"
    git("clone", "--quiet", template, clone, cwd=folder.parent)
    edit(clone / "template/.goose.yml.jinja", ("# The weakest SSL mode", "# The next release: the weakest SSL mode"))
    edit(clone / "template/.env.example.jinja", ("# Migration Configuration", "# The next release: Migration"))
    git("commit", "--quiet", "--all", "--message", "Next release", cwd=clone)
    git("tag", "v9999.1.0", cwd=clone)
    edit(folder / ".copier-answers.yml", ("gh:org/avion-migration-template", str(clone)))
    git("commit", "--quiet", "--all", "--message", "Take the template from a clone", cwd=folder)
    run_update(folder, defaults=True, skip_answered=True, overwrite=True, unsafe=False, quiet=True)
    assert git("ls-files", "--unmerged", cwd=folder) == ""
    assert git("diff", "--check", cwd=folder) == ""
    goose, example = (folder / ".goose.yml").read_text(), (folder / ".env.example").read_text()
    for kept in ("table: auth_versions", "naming: goose", "The next release"):
        assert kept in goose
    assert example.startswith("JWT_SECRET=changeme\n")
    assert "The next release" in example
    assert not list((folder / "migrations").glob("00001*"))
