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


@pytest.mark.parametrize("name", GOOD)
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


@pytest.mark.parametrize("examples", others_slow([30, 300], 1))
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
