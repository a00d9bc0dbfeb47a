"""`copier copy gh:org/avion-migration-template avion-<name>` asks nothing, needs no trust, and is right."""

from __future__ import annotations

import filecmp
import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml

from dev.manifest import collapsed, expected
from tests.amounts import others_slow

SERVICES = {
    "avion-gateway": "gateway",
    "avion-auth": "auth",
    "avion-user": "user",
    "avion-drop": "drop",
    "avion-timeline": "timeline",
    "avion-notification": "notification",
    "avion-media": "media",
    "avion-search": "search",
    "avion-moderation": "moderation",
    "avion-activitypub": "activitypub",
    "avion-community": "community",
    "avion-system-admin": "system-admin",
}


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("folder", "language"),
    others_slow(sorted(product(SERVICES, ["ja", "en"]), key=lambda one: one != ("avion-system-admin", "en")), 2),
)
def test_literal_command_generates_every_service(copier_cli, tmp_path, folder, language):
    name = SERVICES[folder]
    result = copier_cli(
        ["copy", "--defaults", "--data", f"docs_language={language}", "gh:org/avion-migration-template", folder],
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    answers = yaml.safe_load((tmp_path / folder / ".copier-answers.yml").read_text())
    assert answers["service_name"] == name
    assert answers["_src_path"] == "gh:org/avion-migration-template"
    assert collapsed(files_of(tmp_path / folder)) == expected(answers)


def test_literal_command_without_options_and_terminal_asks_nothing_of_defaults(copier_cli, tmp_path):
    result = copier_cli(["copy", "gh:org/avion-migration-template", "avion-auth", "--defaults"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "?" not in result.stdout


def commands_after(result) -> list[str]:
    """What the message after a copy says to type."""
    assert result.returncode == 0, result.stderr
    told = result.stderr[result.stderr.index("has its migration setup") :]
    return [line.strip() for line in told.splitlines() if line.startswith("  ")]


RUN = [
    "test -e .env || cp .env.example .env",
    "docker compose up --detach --wait postgres",
    "make migrate-up",
    "make migrate-doctor",
]
WIRE = "make -f migrations.mk migrate-wire"


def test_message_after_copy_names_the_next_commands(copier_cli, tmp_path):
    copied = copier_cli(["copy", "--defaults", "gh:org/avion-migration-template", "avion-auth"], cwd=tmp_path)
    assert commands_after(copied) == ["cd avion-auth", *RUN]


def test_message_after_copy_says_how_the_names_came_about(copier_cli, tmp_path):
    copy = ["copy", "--defaults", "gh:org/avion-migration-template"]
    assert "after the answer prefix" not in copier_cli([*copy, "avion-auth"], cwd=tmp_path).stderr
    said = copier_cli([*copy, "bodhveda"], cwd=tmp_path).stderr
    assert "The folder is called bodhveda, and the service avion-bodhveda, after the answer prefix." in said


def test_message_after_copy_names_what_compose_has(copier_cli, tmp_path):
    copy = ["copy", "--defaults", "gh:org/avion-migration-template"]
    without = copier_cli([*copy, "--data", "parts=[kubernetes]", "avion-auth"], cwd=tmp_path)
    assert commands_after(without) == ["cd avion-auth", *(command for command in RUN if "docker" not in command)]
    inside = copier_cli([*copy, "--data", "layout=monorepo-service", "avion-user"], cwd=tmp_path)
    assert "docker compose up --detach --wait avion-user-postgres" in commands_after(inside)
    theirs = copier_cli([*copy, "--data", "compose_server=db", "avion-drop"], cwd=tmp_path)
    assert "docker compose up --detach --wait db" in commands_after(theirs)


@pytest.mark.parametrize("file", ["Makefile", "GNUmakefile", "compose.yml", ".gitignore"])
def test_message_after_copy_into_an_existing_service_wires_it_first(copier_cli, tmp_path, file):
    service = tmp_path / "avion-auth"
    service.mkdir()
    copy = ["copy", "--defaults", "gh:org/avion-migration-template", "."]
    assert commands_after(copier_cli(copy, cwd=service)) == RUN
    shutil.rmtree(service)
    service.mkdir()
    (service / file).touch()
    assert commands_after(copier_cli(copy, cwd=service)) == [WIRE, *RUN]


def test_second_copy_with_the_same_answers_is_the_same_to_the_byte(generate, tmp_path):
    first = generate("avion-auth", author="山田チーム", created_on="2025-01-13")
    answers = yaml.safe_load((first / ".copier-answers.yml").read_text())
    second = generate("avion-auth", **{key: value for key, value in answers.items() if not key.startswith("_")})
    assert first != second
    assert files_of(first) == files_of(second)
    _, different, unreadable = filecmp.cmpfiles(first, second, files_of(first), shallow=False)
    assert not different
    assert not unreadable
    header = (first / "migrations/00001_init_schema.sql").read_text()
    assert "-- Author: 山田チーム\n-- Date: 2025-01-13\n" in header


def test_nothing_of_the_template_itself_reaches_a_service(generate):
    leaked = {"copier.yml", "versions.yml", "hooks", "tests", "includes", "dev", "monorepo", "pyproject.toml", ".ci"}
    assert not leaked & {path.name for path in generate("avion-auth").iterdir()}


@pytest.mark.parametrize("folder", others_slow(sorted(SERVICES, key=lambda name: name != "avion-timeline"), 2))
def test_no_template_artefact_is_left_in_a_service(generate, folder):
    service = generate(folder)
    for path in sorted(service.rglob("*")):
        if not path.is_file() or "tools" in path.relative_to(service).parts:
            continue
        text = path.read_text()
        for artefact in ("{%", "{#", "%}", "[service", "[entities]", "[Your Name]", "None", "Undefined", "<<<<<<<"):
            assert artefact not in text, f"{path}: {artefact}"
        assert "\n\n\n" not in text, f"{path}: blank lines left by a block"
        assert text.endswith("\n") or not text, f"{path}: no newline at the end"
        assert not text.endswith("\n\n"), f"{path}: blank line at the end"


def test_a_service_is_small_enough_to_be_reviewed(generate):
    service = generate("avion-auth", considerations=[])
    files = [path.relative_to(service) for path in service.rglob("*") if path.is_file()]
    engine = [path for path in files if path.parts[:2] == ("tools", "migrate")]
    assert len(files) <= 40
    assert len(engine) <= 10
    assert {path.suffix for path in engine if "engine" in path.parts} == {".info", ".mod", ".zip"}
    assert [str(path) for path in files if path.suffix == ".go"] == ["internal/testdb/testdb.go"]
