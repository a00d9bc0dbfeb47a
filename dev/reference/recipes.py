"""docs/reference/recipes.md: what `make migrate-create RECIPE=` can stamp, from the catalog of the engine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.reference import facts
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write


@dataclass(frozen=True)
class _Words:
    """How a language says what is the same of every recipe."""

    introduction: str
    steps: list[str]
    variables: list[str]
    required: str
    empty: str


_ENGLISH = _Words(
    introduction="""\
A recipe is a series of migrations for a task that comes up in many services. `make migrate-recipes` lists them in a
service; `make migrate-create RECIPE=<recipe> STEP=<step>` stamps one step, in which each variable is typed as
`TABLE=sessions`. Each step is a file and a release of its own, in this order.""",
    steps=["step", "what it does"],
    variables=["variable", "meaning", "default", "example"],
    required="must be given",
    empty="nothing",
)
_JAPANESE = _Words(
    introduction="""\
レシピは、多くのサービスで必要になる変更のための、一連のマイグレーションです。サービスで `make migrate-recipes` を実行すると、同じ一覧が英語で表示されます。`make migrate-create RECIPE=<recipe> STEP=<step>` は、1 つのステップのファイルを作成します。変数は `TABLE=sessions` のように続けて書きます。ステップはそれぞれ 1 つのファイル、1 回のリリースで、下の順に進めます。""",
    steps=["ステップ", "内容"],
    variables=["変数", "意味", "既定値", "例"],
    required="指定が必要",
    empty="なし",
)

CATALOG = "engine/internal/recipe/catalog"

_Recipes = dict[str, dict[str, Any]]


def page(root: Path) -> str:
    """The whole page."""
    recipes = _recipes(root)
    return write("Recipes", *_parts(recipes, _said(recipes), _ENGLISH), other="recipes.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    recipes, said = _recipes(root), facts.read("recipes.ja.yml")
    facts.must_cover("recipes.ja.yml", said, recipes)
    for name, english in _said(recipes).items():
        for part in ("steps", "variables"):
            facts.must_cover(f"recipes.ja.yml, {part} of {name}", said[name][part], english[part])
    return write("レシピ", *_parts(recipes, said, _JAPANESE), language="ja", other="recipes.md")


def _recipes(root: Path) -> _Recipes:
    return {
        file.parent.name: yaml.safe_load(file.read_text()) for file in sorted((root / CATALOG).glob("*/recipe.yml"))
    }


def _said(recipes: _Recipes) -> _Recipes:
    """What the recipes say to people."""
    return {
        name: {
            "summary": _sentence(recipe["summary"]) + ".",
            "steps": {step["name"]: _sentence(step["summary"]) for step in recipe["steps"]},
            "variables": {one["name"]: _sentence(one["meaning"]) for one in recipe["variables"]},
        }
        for name, recipe in recipes.items()
    }


def _parts(recipes: _Recipes, said: _Recipes, words: _Words) -> Iterator[str]:
    yield words.introduction
    for name, recipe in recipes.items():
        meanings = said[name]["variables"]
        yield f"## {name}"
        yield said[name]["summary"]
        yield table(words.steps, [[code(step["name"]), said[name]["steps"][step["name"]]] for step in recipe["steps"]])
        yield table(
            words.variables,
            [
                [code(one["name"]), meanings[one["name"]], _default(one, words), code(one["example"])]
                for one in recipe["variables"]
            ],
        )


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text[:1].upper() + text[1:]


def _default(variable: dict[str, Any], words: _Words) -> str:
    if "default" not in variable:
        return words.required
    if variable["default"] == "":
        return words.empty
    return code(re.sub(r"\{\{\.(\w+)[^}]*\}\}", r"<\1>", variable["default"]))
