"""Each recipe of the catalog writes migrations that are valid, safe and reversible, or refuses in one sentence.

A recipe comes into these tests by its folder in the catalog, with the examples in its recipe.yml, and by the tables that
these examples are about, in its recipe.yml.
"""

import json
import re
import shlex
import shutil

import pytest

from dev import copier_yml, recipes
from dev.toolchain.install import ROOT
from tests.amounts import both_ends

CATALOG = ROOT / recipes.CATALOG
RECIPES = sorted(folder.name for folder in CATALOG.iterdir())
CONSIDERATIONS = copier_yml.read(ROOT)["considerations"]["choices"].values()
HOSTILE = ("x; DROP TABLE y", "$(touch hostile)", "a'b", "`touch hostile`", "x\n-- +goose Down", "A B")


@pytest.fixture
def catalog(engine, run, tmp_path):
    """catalog("concurrent_index"): a service with the tables of the recipe's examples, and what the engine says of it."""
    folder = shutil.copytree(engine.parents[3], tmp_path / "avion-auth")

    def catalog(recipe: str) -> dict:
        if tables := recipes.tables(ROOT, recipe):
            (folder / "migrations/00002_before.sql").write_text(tables)
        listed = run("make", "--silent", "migrate-recipes", cwd=folder)
        assert f"\n{recipe}: " in f"\n{listed.stdout}"
        (entry,) = [
            one
            for one in json.loads(run(engine.with_name("migrate-dev"), "recipes", "--json", cwd=folder).stdout)
            if one["name"] == recipe
        ]
        return entry

    catalog.folder = folder
    return catalog


def examples(recipe: dict, step: dict) -> dict[str, str]:
    """A value for each variable of a step."""
    every = {variable["name"]: variable["example"] for variable in recipe["variables"]} | step.get("example", {})
    return {name: every[name] for name in step["variables"]}


def files(folder) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.sql")}


def prove(run, folder, *targets: str, env=None) -> None:
    for target in targets:
        result = run("make", target, cwd=folder, env=env)
        assert result.returncode == 0, (target, result.stdout, result.stderr)


@both_ends
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_the_examples_write_is_safe_and_can_be_undone(catalog, recipe, run, database, postgres):
    entry = catalog(recipe)
    folder = catalog.folder
    for step in entry["steps"]:
        before = files(folder)
        result = run(*shlex.split(step["command"]), cwd=folder)
        assert result.returncode == 0, result.stderr
        assert sorted(result.stdout.split()) == sorted(set(files(folder)) - set(before))
        assert files(folder).items() >= before.items()
        assert result.stderr.strip()
    prove(run, folder, "migrate-validate", "migrate-lint", "migrate-check", env=database)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_variable_can_be_typed(catalog, recipe, run):
    entry = catalog(recipe)
    folder = catalog.folder
    for step in entry["steps"]:
        typed = [f"{name}={value}" for name, value in examples(entry, step).items()]
        result = run(
            *("make", "migrate-create", f"RECIPE={recipe}", f"STEP={step['name']}", f"NAME=My {step['name']}", *typed),
            cwd=folder,
        )
        assert result.returncode == 0, result.stderr
        if "backfill" not in result.stdout.split("/"):
            assert f"_my_{step['name']}.sql" in result.stdout
    prove(run, folder, "migrate-validate", "migrate-lint")


@pytest.mark.parametrize("recipe", RECIPES)
def test_nothing_is_overwritten_and_nothing_half_written(catalog, recipe, run, engine):
    entry = catalog(recipe)
    folder = catalog.folder
    for step in entry["steps"]:
        command = (engine.with_name("migrate-dev"), "create", f"--recipe={recipe}", f"--step={step['name']}")
        variables = examples(entry, step)
        first = run(*command, cwd=folder, env=variables)
        assert first.returncode == 0, first.stderr
        before = files(folder)
        again = run(*command, cwd=folder, env=variables)
        assert files(folder).items() >= before.items()
        if again.returncode:
            assert "is there already" in again.stderr
            assert files(folder) == before


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_missing_or_hostile_is_refused(catalog, recipe, run, engine):
    entry = catalog(recipe)
    folder = catalog.folder
    before = files(folder)
    variables = {variable["name"]: variable for variable in entry["variables"]}
    tried = set()
    for step in entry["steps"]:
        right = examples(entry, step)
        wrong = {(name, "") for name in right if "default" not in variables[name]}
        wrong |= {
            (name, value)
            for name in right
            for value in HOSTILE
            if variables[name]["kind"] not in ("expression", "text") or "\n" in value
        }
        for name, value in sorted(wrong - tried):
            result = run(
                *(engine.with_name("migrate-dev"), "create", f"--recipe={recipe}", f"--step={step['name']}"),
                cwd=folder,
                env=right | {name: value},
            )
            assert (result.returncode, result.stdout) == (1, ""), (name, value)
            assert result.stderr.startswith(f"migrate: {name} is ")
            assert result.stderr.count("\n") == 1
        tried |= wrong
    assert files(folder) == before


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_belongs_to_an_answer(catalog, recipe):
    assert catalog(recipe).get("consideration") in {None, *CONSIDERATIONS}


@pytest.mark.parametrize("consideration", CONSIDERATIONS)
def test_commands_of_the_documents_write_what_they_say(catalog, consideration, run):
    text = (ROOT / f"includes/documents/en/considerations/{consideration}.md").read_text()
    commands = re.findall(r"^make migrate-create RECIPE=.*$", text, re.MULTILINE)
    assert commands or consideration not in RECIPES
    for command in commands:
        result = run(*shlex.split(command), cwd=catalog.folder)
        assert result.returncode == 0, (command, result.stderr)
    prove(run, catalog.folder, "migrate-validate", "migrate-lint")


def test_what_is_typed_after_make_arrives_unharmed(catalog, run):
    catalog("concurrent_index")
    where = """body <> 'it''s $(touch hostile) `touch hostile` $HOME # "quoted" \\ end' AND "x" = ' $x '"""
    result = run(
        *("make", "migrate-create", "RECIPE=concurrent_index", "TABLE=posts", "COLUMNS=account_id", f"WHERE={where}"),
        cwd=catalog.folder,
    )
    assert result.returncode == 0, result.stderr
    (written,) = result.stdout.split()
    assert f" WHERE {where};\n" in (catalog.folder / written).read_text()
    assert not (catalog.folder / "hostile").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["RECIPE=nope"], f'RECIPE is "nope": use one of {", ".join(RECIPES)}'),
        (
            ["RECIPE=concurrent_index", "STEP=nope"],
            'STEP is "nope": use one of the steps of concurrent_index (create, replace, drop)',
        ),
        (["STEP=create"], "there is no RECIPE"),
        (
            ["RECIPE=concurrent_index", "TABLE=posts", "COLUMNS=id", "UNIQE=yes", "ENVIRONMENT=test"],
            "UNIQE is no variable of concurrent_index: correct it, or leave it out; it knows TABLE, COLUMNS, INDEX, UNIQUE",
        ),
        (["RECIPE=concurrent_index"], "make migrate-create RECIPE=concurrent_index STEP=create TABLE=posts"),
    ],
)
def test_a_request_that_cannot_be_met_says_what_can(catalog, run, arguments, sentence):
    result = run("make", "migrate-create", *arguments, cwd=catalog.folder)
    assert result.returncode
    assert sentence in result.stderr
    assert set(files(catalog.folder / "migrations")) == {"00001_init_schema.sql"}


@pytest.mark.parametrize("swap", ["no", "yes"])
def test_staged_move_with_everything_that_a_column_can_have(catalog, run, database, swap):
    entry = catalog("staged_move")
    before = catalog.folder / "migrations/00002_before.sql"
    before.write_text(before.read_text().replace("user_name text", "user_name text NOT NULL DEFAULT ''"))
    options = {"OLD_NOT_NULL": "yes", "SWAP": swap}
    for step in entry["steps"]:
        typed = [f"{name}={value}" for name, value in (examples(entry, step) | options).items()]
        result = run(
            *("make", "migrate-create", "RECIPE=staged_move", f"STEP={step['name']}", *typed), cwd=catalog.folder
        )
        assert result.returncode == 0, result.stderr
    prove(run, catalog.folder, "migrate-check", env=database)
