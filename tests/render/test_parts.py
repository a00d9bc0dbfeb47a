"""A service has the parts that it has chosen: of another one there is no file, no word and no item, and its targets say so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.amounts import others_slow
from tests.conftest import put_engine
from tests.covering import CONSIDERATIONS, EVERY_SUBSET, PARTS, SUBSETS
from tests.render.test_generated_files_are_clean import LINTERS

FILES = {
    "compose": {"compose.migrations.yaml", "docker-compose.yml"},
    "github_actions": {".github/workflows/auth-migration.yml"},
    "kubernetes": {
        *("k8s/migrations/auth-migration-access.yaml", "k8s/migrations/auth-migration-job.yaml"),
        *("k8s/migrations/auth-migration-maintenance.yaml", "k8s/migrations/auth-redis-sync.yaml"),
    },
    "prometheus": {
        *("monitoring/auth-migration-alerts.yaml", "monitoring/auth-redis-sync-alerts.yaml"),
        *("monitoring/tests/auth-migration-alerts.test.yaml", "monitoring/tests/auth-migration-maintenance.test.yaml"),
        "monitoring/tests/auth-redis-sync-alerts.test.yaml",
    },
}
ITEMS = {
    "compose": {"compose", "own-compose"},
    "github_actions": {"workflow", "required-check"},
    "kubernetes": {"job", "secret", "ca-certificate", "apply-access", "pipeline", "cronjobs"},
    "prometheus": {"alerts", "apply-alerts", "redis-sync-alerts"},
}
# What only somebody who has the part can follow. The documents' own prose is not among what is looked through.
WORDS = {
    "compose": r"docker compose|compose\.migrations|(?<!bin/)migrate-dev\b",
    "github_actions": r"GitHub Actions|\.github/|Migrations are safe",
    "kubernetes": r"kubectl|k8s/|migrate-job|migrate-cronjobs",
    "prometheus": r"monitoring/|promtool|PrometheusRule",
}
# In the documents, what nobody can type, open or wait for without the part.
DOCUMENTS = {
    "compose": r"docker compose|compose\.migrations|migrate-docker",
    "github_actions": r"\.github/|Migrations are safe",
    "kubernetes": r"kubectl|k8s/|make migrate-job|migrate-cronjobs|activeDeadlineSeconds",
    "prometheus": r"monitoring/|promtool|PrometheusRule|alerts-test",
}
# These are the same for every service.
STATIC = ("migrations.mk", "tools", "docs", "scripts")
TARGETS = {
    "compose": ["migrate-docker-up", "migrate-docker-down", "migrate-docker-status"],
    "kubernetes": ["migrate-job", "migrate-cronjobs"],
    "prometheus": ["migrate-alerts-test", "migrate-redis-alerts-test"],
}


def answers_of(one: dict) -> dict:
    certificate = {"production_ssl_mode": "verify-ca"}
    return one | certificate | {"considerations": CONSIDERATIONS, "docs_language": "en"}


def name(one: dict) -> str:
    return "-".join([one["layout"], *(one["parts"] or ["none"])])


@pytest.fixture(
    scope="module",
    params=others_slow([*SUBSETS, *(one for one in EVERY_SUBSET if one not in SUBSETS)], len(SUBSETS)),
    ids=name,
)
def chosen(request) -> dict:
    return request.param


@pytest.fixture(scope="module")
def generated(chosen, rendered) -> Path:
    return rendered(**answers_of(chosen))


def dropped(chosen: dict) -> list[str]:
    return [part for part in PARTS if part not in chosen["parts"]]


def test_files_are_those_of_the_chosen_parts(chosen, generated):
    there = {file.relative_to(generated).as_posix() for file in generated.rglob("*") if file.is_file()}
    for part, files in FILES.items():
        # The workflow of a monorepo is at its root.
        wanted = part in chosen["parts"] and (part, chosen["layout"]) != ("github_actions", "monorepo-service")
        assert files & there == (files if wanted else set()), part
    empty = [folder for folder in generated.rglob("*") if folder.is_dir() and not any(folder.iterdir())]
    assert empty == []


def test_no_file_speaks_of_a_part_that_is_not_there(chosen, generated):
    texts = {
        file.relative_to(generated).as_posix(): file.read_text()
        for file in generated.rglob("*")
        if file.is_file() and file.relative_to(generated).parts[0] not in STATIC
    }
    kept = {path for part in chosen["parts"] for path in FILES[part]}
    dead = {
        (path, match[0])
        for part in dropped(chosen)
        for path, text in texts.items()
        if path not in kept
        for match in re.finditer(WORDS[part], text)
    }
    assert dead == set()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_no_document_says_what_only_a_part_that_is_not_there_can_do(chosen, rendered, language):
    service = rendered(**answers_of(chosen) | {"docs_language": language})
    dead = {
        (document.name, match[0])
        for part in dropped(chosen)
        # The alerts watch the Jobs of a cluster, whoever has made those.
        if (part, "prometheus" in chosen["parts"]) != ("kubernetes", True)
        for document in service.glob("docs/*.md")
        for match in re.finditer(DOCUMENTS[part], document.read_text())
    }
    assert dead == set()


def test_every_word_that_is_looked_for_is_said_where_the_part_is(rendered):
    whole = rendered(**answers_of({"layout": "repository", "parts": PARTS}))
    text = "".join(file.read_text() for file in whole.rglob("*") if file.is_file() and "tools" not in file.parts)
    for part, words in WORDS.items():
        for word in words.split("|"):
            assert re.search(word, text), (part, word)


def test_checklist_has_the_items_of_the_chosen_parts(chosen, generated):
    items = set(re.findall(r"<!-- ([a-z0-9-]+) -->", (generated / "docs/migration-setup.md").read_text()))
    for part, expected in ITEMS.items():
        assert expected & items == (expected if part in chosen["parts"] else set()), part
    assert {"env", "targets", "roles", "readme"} <= items


@pytest.mark.parametrize("lint", LINTERS)
def test_every_file_is_clean(lint, generated):
    lint(generated)


@pytest.fixture(scope="module")
def without(rendered, engine, tmp_path_factory) -> Path:
    """A service that wants no part at all, with its engine."""
    bare = rendered(**answers_of({"layout": "repository", "parts": []}))
    service = shutil.copytree(bare, tmp_path_factory.mktemp("bare") / "avion-auth")
    put_engine(engine, service)
    return service


@pytest.mark.parametrize(
    ("part", "target"), [(part, target) for part, targets in TARGETS.items() for target in targets]
)
def test_target_of_a_part_that_was_not_chosen_says_so(without, run, part, target):
    ended = run("make", target, "VERSION=1.2.3", "BUILD_NUMBER=1", cwd=without)
    assert ended.returncode != 0
    said = [line for line in ended.stderr.splitlines() if not line.startswith("make")]
    assert said == [
        f"migrate: the service has not chosen the part {part}: "
        "choose it with copier update --vcs-ref=:current: --defaults --ask=parts"
    ]


@pytest.mark.parametrize("target", [*TARGETS["compose"], "migrate-alerts-test"])
def test_target_of_a_chosen_part_does_not(generate, run, target):
    shown = run("make", "--dry-run", target, cwd=generate(**answers_of({"layout": "repository", "parts": PARTS})))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "has not chosen" not in shown.stdout


@pytest.mark.parametrize(("layout", "service"), [("repository", "migrate"), ("monorepo-service", "avion-auth-migrate")])
def test_target_names_the_service_of_compose(rendered, run, layout, service):
    shown = run("make", "--dry-run", "migrate-docker-up", cwd=rendered(layout=layout))
    assert shown.stdout == f"docker compose run --build --rm {service} up\n"
