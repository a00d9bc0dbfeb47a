"""A service's name is refused with one sentence and nothing written, or legal everywhere it is used."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.amounts import others_slow

GOOD = [
    "a",
    "auth",
    "system-admin",
    "e2e",
    "x-1-y",
    "migration",
    "migrate",
    "postgres",
    "pg",
    "yes",
    "no",
    "on",
    "null",
    "true",
    "a" * 36,
]
BAD = {
    "": "must be lower-case words",
    " auth": "must be lower-case words",
    "auth\n": "must be lower-case words",
    "Auth": "must be lower-case words",
    "auth_admin": "must be lower-case words",
    "auth--admin": "must be lower-case words",
    "-auth": "must be lower-case words",
    "auth-": "must be lower-case words",
    "1auth": "must be lower-case words",
    "auth.v2": "must be lower-case words",
    "auth/admin": "must be lower-case words",
    "../auth": "must be lower-case words",
    "auth;drop": "must be lower-case words",
    "$(id)": "must be lower-case words",
    "認証": "must be lower-case words",
    "{{ prefix }}": "must be lower-case words",
    "avion": "is the prefix itself",
    "avion-auth": 'use "auth"',
    "avion-avion-auth": 'use "avion-auth"',
    "a" * 37: "at most 36",
}
POSTGRESQL_IDENTIFIER = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
IMAGE = re.compile(r"[a-z0-9.]+(/[a-z0-9]+(-[a-z0-9]+)*)+")


def assert_legal_everywhere(service: Path) -> None:
    """Every YAML file parses, and every name made from the service's is legal where it is used."""
    documents = {
        path.relative_to(service).as_posix(): list(yaml.safe_load_all(path.read_text()))
        for path in service.rglob("*.y*ml")
        if "tools" not in path.parts
    }
    (goose,) = documents[".goose.yml"]
    assert POSTGRESQL_IDENTIFIER.fullmatch(goose["database"]["name"])
    assert POSTGRESQL_IDENTIFIER.fullmatch(goose["database"]["user"])
    (job,) = (
        document
        for path, parsed in documents.items()
        if path.startswith("k8s/")
        for document in parsed
        if document["kind"] == "Job"
    )
    assert KUBERNETES_NAME.fullmatch(job["metadata"]["name"].replace("${BUILD_NUMBER}", "4294967295"))
    for label, value in job["metadata"]["labels"].items():
        assert isinstance(value, str), label
        assert len(value) <= 63, label
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert IMAGE.fullmatch(container["image"].removesuffix(":${VERSION}"))


# What holds no name, or not where a name could be illegal.
NAMELESS = ["/docs/", "/tools/", "/monitoring/", "/migrations/", "/migrations-seed/", "*.md", "*.mk", "*Dockerfile"]


@pytest.fixture
def named(sources, tmp_path) -> Callable[[str], Path]:
    """named("auth"): the files of a service of that name in which its name could be illegal."""
    numbers = itertools.count()

    def named(name: str) -> Path:
        folder = tmp_path / str(next(numbers)) / "avion-x"
        run_copy(str(sources), folder, data={"service_name": name}, defaults=True, quiet=True, exclude=NAMELESS)
        return folder

    return named


@pytest.mark.parametrize("name", others_slow(GOOD, 5))
def test_legal_name_is_legal_everywhere(named, name):
    assert_legal_everywhere(named(name))


@pytest.mark.parametrize("name", BAD)
def test_illegal_name_is_refused_with_one_sentence(refused, name):
    message = refused("avion-x", service_name=name)
    assert BAD[name] in message
    assert re.fullmatch(r"service_name .*: use .*\.", message), message


@pytest.mark.parametrize("prefix", ["pg", "pg-x", "", "Avion", "avion-", "a" * 21])
def test_illegal_prefix_is_refused(refused, prefix):
    assert re.fullmatch(r"prefix .*: use .*\.", refused("avion-x", service_name="auth", prefix=prefix))


FOLDERS = {
    "avion-auth": "auth",
    "auth": "auth",
    "bodhveda": "bodhveda",
    "account_service": "account-service",
    "avion_auth": "auth",
    "Avion-Auth": "auth",
    "auth.v2": "auth-v2",
    "_auth_": "auth",
    "avion-system-admin": "system-admin",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_gives_the_name_that_a_person_would_expect(sources, tmp_path, folder):
    run_copy(str(sources), tmp_path / folder, defaults=True, quiet=True, unsafe=False, exclude=["/tools/"])
    answers = yaml.safe_load((tmp_path / folder / ".copier-answers.yml").read_text())
    name = FOLDERS[folder]
    assert answers["service_name"] == name
    assert answers["database_name"] == f"avion_{name.replace('-', '_')}_db"
    assert answers["image"] == f"ghcr.io/avion/avion-{name}-migration"
    assert_legal_everywhere(tmp_path / folder)


@pytest.mark.parametrize("folder", ["認証", "1", "avion", "a" * 37])
def test_folder_that_tells_no_name_makes_it_a_question(refused, folder):
    assert refused(folder) == 'Question "service_name" is required'


NAMES = {"database_name": "bodhveda", "database_user": "bodhveda_owner", "migrations_dir": "db/schema"}


def test_names_of_the_service_are_everywhere(rendered):
    service = rendered(**NAMES, docs_language="en", considerations=["session_cleanup"])
    texts = {
        file.relative_to(service).as_posix(): file.read_text()
        for file in service.rglob("*")
        if file.is_file() and file.relative_to(service).parts[0] not in ("tools", "docs")
    }
    assert [path for path, text in texts.items() if "avion_auth" in text] == []
    goose = yaml.safe_load(texts[".goose.yml"])
    assert (goose["database"], goose["dir"]) == ({"name": "bodhveda", "user": "bodhveda_owner"}, "./db/schema")
    assert {"db/schema/00001_init_schema.sql", "db/schema/.gitkeep", "migrations-seed/00001_test_data.sql"} <= {*texts}
    assert not (service / "migrations").exists()
    for path, words in {
        ".env.example": ["DB_NAME=bodhveda\n", "DB_USER=bodhveda_owner\n", "GOOSE_MIGRATION_DIR=./db/schema\n"],
        "compose.migrations.yaml": ["DB_NAME:-bodhveda}", "DB_USER:-bodhveda_owner}", "./db/schema:/app/db/schema:"],
        "migrations.Dockerfile": ["COPY --chmod=0555 db/schema ./db/schema\n"],
        "migrations.Dockerfile.dockerignore": ["\n!db/schema\n"],
        "scripts/migration-roles.sql": ["--dbname=bodhveda ", "bodhveda_owner_migrator\n", "bodhveda_owner_app\n"],
        ".github/workflows/auth-migration.yml": ["POSTGRES_DB: bodhveda_test\n"],
    }.items():
        for word in words:
            assert word in texts[path], (path, word)


def test_migrations_that_are_there_in_another_folder_get_no_first_one(sources, tmp_path):
    own = tmp_path / "avion-auth/db/schema/00007_own.sql"
    own.parent.mkdir(parents=True)
    own.write_text("-- +goose Up\n")
    run_copy(str(sources), tmp_path / "avion-auth", data=NAMES, defaults=True, quiet=True, exclude=["/tools/"])
    assert [file.name for file in own.parent.glob("*.sql")] == ["00007_own.sql"]
    assert not list((tmp_path / "avion-auth/migrations-seed").glob("*.sql"))


def test_another_prefix_names_everything(generate):
    service = generate("cargo-billing", prefix="cargo")
    goose = yaml.safe_load((service / ".goose.yml").read_text())
    assert goose["service"] == "cargo-billing"
    assert goose["database"] == {"name": "cargo_billing_db", "user": "cargo_billing"}
    text = "".join(path.read_text() for path in service.rglob("*") if path.is_file() and "tools" not in path.parts)
    assert "avion" not in text.replace("gh:org/avion-migration-template", "").replace("/avion-migration-template", "")


names = st.one_of(
    st.from_regex(r"[a-z][a-z0-9]{0,12}(-[a-z0-9]{1,8}){0,4}", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)


@pytest.mark.parametrize("examples", others_slow([20, 300], 1))
def test_any_name_is_refused_or_legal_everywhere(named, examples):
    @settings(max_examples=examples, deadline=None, database=None, derandomize=True)
    @given(name=names)
    def refused_or_legal(name: str) -> None:
        try:
            folder = named(name)
        except ValueError as error:
            assert str(error).count("\n") == 0
        else:
            assert_legal_everywhere(folder)

    refused_or_legal()
