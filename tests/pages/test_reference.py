"""The reference says what the sources say: each page is what `make reference` writes, and a changed source is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from dev import copier_yml
from dev.recipes import CATALOG
from dev.reference import FOLDER, exit_codes, files, packages, pages, questions, recipes, targets, tree, variables
from dev.toolchain.install import ROOT
from tests.amounts import others_slow

SOURCES = (
    "copier.yml",
    "manifest.yml",
    "versions.yml",
    "hooks",
    "engine",
    "includes",
    "template",
    "monorepo",
    "CONTRIBUTING.md",
    "README.md",
    "README.ja.md",
)
GO = "engine/internal"
ENGINE = f"{GO}/config/variables.go"
JOB = "template/k8s/migrations/{{ service_name }}-migration-job.yaml.jinja"


def test_pages_are_what_make_reference_writes():
    made = pages()
    assert [path for path, text in made.items() if (ROOT / path).read_text() != text] == [], "run `make reference`"


@pytest.fixture
def sources(tmp_path) -> Path:
    """The sources, to be changed."""
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("page", "edits"),
    others_slow(
        [
            (
                questions,
                [
                    ("copier.yml", "  default: 300\n", "  default: 301\n", "Default: `301`"),
                    (
                        "copier.yml",
                        "production_ssl_mode != 'require'",
                        "production_ssl_mode == 'verify-ca'",
                        "Only where `production_ssl_mode == 'verify-ca'`",
                    ),
                    (
                        "copier.yml",
                        "Keep an audit log for a set time",
                        "Keep a log",
                        "| `audit_retention` | Keep a log |",
                    ),
                    ("copier.yml", "it must be 1 to 86400 seconds", "it must be short", "is 0, but it must be short"),
                ],
            ),
            (
                files,
                [("manifest.yml", "  Makefile:\n    owner: once\n", "  Makefile:\n", "| `Makefile` | template |")],
            ),
            (
                targets,
                [
                    ("template/migrations.mk", "## apply every pending migration", "## apply all", "up` | apply all |"),
                    (
                        "template/migrations.mk",
                        "NAME= [BLOCK=]",
                        "NAME=",
                        "create` | write a new migration | `NAME=`, `RECIPE=`",
                    ),
                ],
            ),
            (
                variables,
                [
                    (ENGINE, 'another run to end", Default: "60"', 'another run to end", Default: "61"', "`61`"),
                    (ENGINE, "ConnectTimeout = seconds(0, 3600,", "ConnectTimeout = seconds(0, 7,", "0 to 7 seconds"),
                    (ENGINE, 'Meaning: "Its port"', 'Meaning: "Its gate"', "| Its gate |"),
                ],
            ),
            (
                exit_codes,
                [
                    (f"{GO}/failure/failure.go", "Code = 75", "Code = 74", "| 74 |"),
                    (JOB, "backoffLimit: 3", "backoffLimit: 4", "login | 4 more tries"),
                ],
            ),
        ],
        1,
    ),
)
def test_a_changed_source_changes_its_page(sources, page, edits):
    before = (ROOT / FOLDER / f"{page.__name__.rpartition('.')[2].replace('_', '-')}.md").read_text()
    for source, old, new, _ in edits:
        change(sources / source, old, new)
    after = page.page(sources)
    for *_, said in edits:
        assert said not in before
        assert said in after


def test_a_new_import_is_drawn_in_contributing(sources):
    change(
        sources / GO / "indexes/report.go", "import (\n", 'import (\n\t_ "avion.internal/migrate/internal/tablelock"\n'
    )
    drawn = "    indexes --> tablelock\n"
    assert drawn not in (ROOT / packages.DOCUMENT).read_text()
    assert drawn in packages.page(sources)


@pytest.mark.parametrize(("drawn", "once"), [(tree.english, "once"), (tree.japanese, "初回")])
def test_a_changed_manifest_changes_the_tree_in_the_readme(sources, drawn, once):
    change(sources / "manifest.yml", "  Makefile:\n    owner: once\n", "  Makefile:\n    owner: template\n")
    (line,) = (line for line in drawn(sources).splitlines() if line.startswith("├── Makefile "))
    assert once not in line


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("  scripts/:\n", "  script/:\n", "sums up script/, and names no file there"),
        ("  scripts/migration-roles.sql:\n", "  sql/roles.sql:\n", "sums up no folder of sql/roles.sql"),
    ],
)
def test_a_tree_that_lacks_a_folder_is_refused(sources, old, new, refusal):
    change(sources / "manifest.yml", old, new)
    with pytest.raises(SystemExit, match=refusal):
        tree.english(sources)


def test_a_changed_recipe_changes_its_page(sources):
    before = recipes.page(sources)
    recipe = next((sources / CATALOG).glob("*/recipe.yml"))
    data = yaml.safe_load(recipe.read_text())
    data["steps"][0]["summary"] = "something else"
    recipe.write_text(yaml.safe_dump(data))
    assert "Something else" in recipes.page(sources)
    assert recipes.page(sources) != before


@pytest.mark.parametrize(
    ("page", "source", "old", "new", "name"),
    [
        (questions, "copier.yml", "\npostgres_version:\n", "\nlevel: {type: int, help: \"How high?\", default: 1}\n\npostgres_version:\n", "level"),
        (variables, "template/migrations.mk", "NAME BLOCK BASE", "NAME PIECE BLOCK BASE", "PIECE"),
    ],
)  # fmt: skip
def test_a_name_without_a_meaning_is_refused(sources, page, source, old, new, name):
    change(sources / source, old, new)
    with pytest.raises(SystemExit, match=name):
        page.page(sources)


def test_a_variable_of_the_engine_that_has_no_japanese_is_refused(sources):
    change(sources / ENGINE, 'Name: "PGSSLKEY"', 'Name: "PGSSLKEYS"')
    with pytest.raises(SystemExit, match=r"variables.ja.yml: write a line for \['PGSSLKEYS'\], remove \['PGSSLKEY'\]"):
        variables.japanese(sources)


def test_a_choice_that_has_no_japanese_is_refused(sources):
    change(sources / "copier.yml", "    With the service's name before them: own\n", "    In full: full\n")
    with pytest.raises(
        SystemExit, match=r"questions.yml, compose_names: write a line for \['full'\], remove \['own'\]"
    ):
        questions.japanese(sources)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("ja: Redis の Sorted Set を、テーブルと同期します", "the summary of redis_sync"),
        (
            "ja: Sorted Set のどのメンバーが変わったかもしれないかを記録します。Redis に反映するワーカーがそれを読みます",
            "the summary of redis_sync, outbox",
        ),
        (
            "ja: Sorted Set の名前の先頭。その Redis のほかのキーを、これで始めることはできません",
            "the meaning of redis_sync, PREFIX",
        ),
    ],
)
def test_a_part_of_a_recipe_that_has_no_japanese_is_refused(sources, line, where):
    change(sources / CATALOG / "redis_sync/recipe.yml", line, "")
    with pytest.raises(SystemExit, match=f"{where} has no Japanese; write it below as ja"):
        recipes.japanese(sources)


def test_a_job_that_disagrees_with_the_engine_about_another_try_is_refused(sources):
    change(sources / JOB, "values: [1, 3, 5]", "values: [1, 3]")
    with pytest.raises(SystemExit, match=r"stops at \[1, 3\], and the engine says that \[1, 3, 5\]"):
        exit_codes.page(sources)


def test_an_engine_that_does_not_build_is_no_description(sources):
    change(sources / ENGINE, "package config", "package confg")
    with pytest.raises(SystemExit, match="does not build"):
        variables.page(sources)


@pytest.mark.parametrize(
    ("page", "refusal"), [("questions.md", " is refused: "), ("questions.ja.md", " は拒否されます: ")]
)
def test_every_refusal_of_a_question_is_shown(page, refusal):
    asked = copier_yml.read(ROOT)
    validated = [name for name, question in asked.items() if not name.startswith("_") and "validator" in question]
    assert (ROOT / FOLDER / page).read_text().count(refusal) == len(validated)
