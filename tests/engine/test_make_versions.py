"""migrations.mk means the same to every GNU make: to 3.81, which macOS has, as well as to the newest."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from dev.toolchain.install import ROOT

MAKEFILES = ("migrations.mk", "tools/migrate/redis-sync/targets.mk")
# What another make than this machine's is called: the path of a program that somebody built or brought.
NAMED = ("MAKE_3_81", "MAKE_4_4")
AWKWARD = r"""pa$$wo$rd # a'q" \n $(shell touch ran) `touch ran` ${HOME} %"""

# What came after 3.81, and what 3.81 reads in another way. From the NEWS of GNU make.
NEWER = {
    "two modifiers in one assignment": r"\b(override|export|private)\s+(override|export|private)\s",
    "an operator of 3.82 or newer": r"^[^\t#]*[^:+?!=]\s*(!=|::=|:::=)",
    "define with an operator": r"^define\s+\S+\s*[:+?!]?=",
    "a function of 4.0 or newer": r"\$\((file|guile|let|intcmp)\s",
    "a special target or variable of 3.82 or newer": r"\.(ONESHELL|SHELLFLAGS|RECIPEPREFIX|POSIX|EXTRA_PREREQS|WAIT|NOTINTERMEDIATE)\b",
    "a directive of 3.82 or newer": r"^(undefine|private|load)\s",
    "grouped targets": r"&:",
}


@pytest.fixture(params=["make", "gmake", *NAMED])
def make(request) -> str:
    name = request.param
    path = os.environ.get(name) if name in NAMED else shutil.which(name)
    if not path:
        pytest.skip(f"{name} names no program here" if name in NAMED else f"this machine has no {name}")
    return path


@pytest.fixture(scope="module")
def service(generate_for_module) -> Path:
    """A service whose own Makefile has a target that prints a variable as a recipe meets it."""
    folder = generate_for_module("avion-timeline", considerations=["redis_sync"])
    with (folder / "Makefile").open("a") as makefile:
        makefile.write('\nshow:\n\t@printenv "$$SHOWN"\nshow: export RECIPE_VARIABLES = $(migrate_recipe_variables)\n')
    return folder


def test_targets_are_listed(run, service, make):
    listed = run(make, "migrate-help", cwd=service)
    assert listed.returncode == 0, listed.stderr
    assert {"migrate-up", "migrate-redis-sync"} <= {line.split()[0] for line in listed.stdout.splitlines()}


@pytest.mark.parametrize("name", ["DB_PASSWORD", "NAME", "RECIPE", "STEP", "REDIS_URL", "KEY"])
def test_what_is_typed_arrives_as_it_is_and_nothing_in_it_runs(run, service, make, name):
    shown = run(make, "show", f"{name}={AWKWARD}", cwd=service, env={"SHOWN": name})
    assert (shown.returncode, shown.stdout) == (0, f"{AWKWARD}\n"), shown.stderr
    assert not (service / "ran").exists()


def test_a_recipes_own_variable_arrives_as_it_is_and_by_name(run, service, make):
    typed = ["RECIPE=add_column", f"TABLE_NAME={AWKWARD}"]
    assert run(make, "show", *typed, cwd=service, env={"SHOWN": "TABLE_NAME"}).stdout == f"{AWKWARD}\n"
    assert run(make, "show", *typed, cwd=service, env={"SHOWN": "RECIPE_VARIABLES"}).stdout.split() == ["TABLE_NAME"]
    assert not (service / "ran").exists()


def test_a_variable_may_be_typed_without_a_value(run, service, make):
    shown = run(make, "show", "STEP=", cwd=service, env={"SHOWN": "STEP", "STEP": "from the environment"})
    assert (shown.returncode, shown.stdout) == (0, "\n"), shown.stderr


def test_nothing_that_is_typed_beside_the_template_check_runs(run, service, make):
    run(make, "migrate-template-check", f"NAME={AWKWARD}", f"OTHER={AWKWARD}", cwd=service)
    assert not (service / "ran").exists()


def test_a_checkout_with_the_other_line_ending_works(run, service, make, tmp_path):
    folder = shutil.copytree(service, tmp_path / "service")
    for file in (folder / "migrations.mk", folder / "compose.migrations.yaml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert run(make, "migrate-help", cwd=folder).stdout == run(make, "migrate-help", cwd=service).stdout
    composed = "docker compose run --build --rm migrate up"
    assert composed in run(make, "-n", "migrate-docker-up", cwd=folder).stdout.splitlines()
    shown = run("sh", "-c", r""""$0" migrate-help | od -c | grep -F '\r'""", make, cwd=folder)
    assert shown.stdout == ""
    shown = run(make, "show", f"NAME={AWKWARD}", cwd=folder, env={"SHOWN": "NAME"})
    assert (shown.returncode, shown.stdout) == (0, f"{AWKWARD}\n")


@pytest.mark.parametrize("path", MAKEFILES)
def test_nothing_is_used_that_make_3_81_does_not_know(path):
    text = re.sub(r"^#.*", "", (ROOT / "template" / path).read_text(), flags=re.MULTILINE)
    assert [name for name, pattern in NEWER.items() if re.search(pattern, text, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "line",
    [
        "$(eval override export NAME := x)",
        "REVISION != git rev-parse HEAD",
        "define RECIPE :=",
        "text := $(file <x)",
        ".ONESHELL:",
        "undefine NAME",
        "a b &: c",
    ],
)
def test_what_make_3_81_does_not_know_is_noticed(line):
    assert [name for name, pattern in NEWER.items() if re.search(pattern, line, re.MULTILINE)] != []
