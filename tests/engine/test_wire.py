"""`make migrate-wire` joins the template's files to those of a service that was there before, and only when told to."""

from pathlib import Path

import pytest
from copier import run_copy

from tests.conftest import put_engine

OWN = {
    "Makefile": ".PHONY: build\nbuild:\n\t@echo own build\n",
    "compose.yaml": "# Ours\nservices:\n  auth:\n    build: . # the service\n",
    "README.md": "# Ours\r\n\r\nText.\r\n",
    ".gitignore": "/bin/",
    "migrations/20240101120000_accounts.sql": "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n",
}


@pytest.fixture
def existing(template, engine, tmp_path):
    """existing(Makefile="…"): a service that had files of its own before the template came."""

    def existing(language: str = "en", **files: str) -> Path:
        folder = tmp_path / "avion-auth"
        for name, text in (OWN | files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        run_copy(
            str(template),
            folder,
            data={"docs_language": language},
            defaults=True,
            overwrite=True,
            unsafe=False,
            quiet=True,
        )
        put_engine(engine, folder)
        return folder

    return existing


def test_a_copy_creates_nothing_that_the_service_has_under_another_name(existing):
    folder = existing(GNUmakefile="all:\n")
    assert not (folder / "docker-compose.yml").exists()
    assert [path.name for path in (folder / "migrations").glob("*.sql")] == ["20240101120000_accounts.sql"]


def test_without_a_yes_it_only_shows_what_is_missing(existing, run):
    folder = existing()
    result = run("make", "-f", "migrations.mk", "migrate-wire", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "+include migrations.mk" in result.stdout
    assert "+  - compose.migrations.yaml" in result.stdout
    assert "CONFIRM=yes" in result.stderr
    assert {name: (folder / name).read_bytes().decode() for name in OWN} == OWN


@pytest.mark.parametrize("language", ["ja", "en"])
def test_with_a_yes_the_services_files_lead_to_the_templates(existing, run, language, generate):
    folder = existing(language)
    wired = run("make", "-f", "migrations.mk", "migrate-wire", "CONFIRM=yes", cwd=folder)
    assert wired.returncode == 0, wired.stderr
    assert run("make", cwd=folder).stdout == "own build\n"
    assert "migrate-up" in run("make", "migrate-help", cwd=folder).stdout
    for name, text in OWN.items():
        assert (folder / name).read_bytes().decode().startswith(text)
    # The sentences are those of a service that has been generated with a README of its own.
    _, _, fresh = (generate(docs_language=language) / "README.md").read_text().partition("## ")
    assert (folder / "README.md").read_bytes().decode().endswith(("## " + fresh).replace("\n", "\r\n"))
    again = run("make", "migrate-wire", "CONFIRM=yes", cwd=folder)
    assert (again.returncode, again.stdout) == (0, "")


def test_a_generated_service_needs_no_wiring(service, run):
    result = run("make", "migrate-wire", cwd=service("avion-auth"))
    assert (result.returncode, result.stdout) == (0, "")


def test_a_target_of_the_service_is_never_overridden_silently(existing, run):
    folder = existing(Makefile="include own.mk\n", **{"own.mk": "\nmigrate-up:\n\tgoose up\n"})
    result = run("make", "-f", "migrations.mk", "migrate-wire", "CONFIRM=yes", cwd=folder)
    assert "own.mk:3 has a target migrate-up of its own" in result.stderr
    assert "Error 1" in result.stderr
    assert (folder / "Makefile").read_text() == "include own.mk\n"
