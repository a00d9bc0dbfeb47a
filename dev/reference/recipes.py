"""docs/reference/recipes.md: what `make migrate-create RECIPE=` can stamp, from the catalog of the engine."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev import recipes
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write


def _english(_where: str, said: recipes.Recipe, key: str) -> str:
    text = " ".join(said[key].split()).rstrip(".")
    return text[:1].upper() + text[1:]


def _japanese(where: str, said: recipes.Recipe, key: str) -> str:
    if "ja" not in said:
        raise SystemExit(f"{recipes.CATALOG}: the {key} of {where} has no Japanese; write it below as ja.")
    return said["ja"]


@dataclass(frozen=True)
class _Words:
    """How a language says what is the same of every recipe, and finds what is not."""

    say: Callable[[str, recipes.Recipe, str], str]
    stop: str
    introduction: str
    steps: list[str]
    variables: list[str]
    required: str
    empty: str


_ENGLISH = _Words(
    say=_english,
    stop=".",
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
    say=_japanese,
    stop="。",
    introduction="""\
レシピは、多くのサービスで必要になる変更のための、一連のマイグレーションです。サービスで `make migrate-recipes` を実行すると、同じ一覧が英語で表示されます。`make migrate-create RECIPE=<recipe> STEP=<step>` は、1 つのステップのファイルを作成します。変数は `TABLE=sessions` のように続けて書きます。ステップはそれぞれ 1 つのファイル、1 回のリリースで、下の順に進めます。""",
    steps=["ステップ", "内容"],
    variables=["変数", "意味", "既定値", "例"],
    required="指定が必要",
    empty="なし",
)


def page(root: Path) -> str:
    """The whole page."""
    return write("Recipes", *_parts(root, _ENGLISH), other="recipes.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    return write("レシピ", *_parts(root, _JAPANESE), language="ja", other="recipes.md")


def _parts(root: Path, words: _Words) -> Iterator[str]:
    yield words.introduction
    for name, recipe in recipes.read(root).items():
        yield f"## {name}"
        yield words.say(name, recipe, "summary") + words.stop
        yield table(
            words.steps,
            [[code(one["name"]), words.say(f"{name}, {one['name']}", one, "summary")] for one in recipe["steps"]],
        )
        yield table(
            words.variables,
            [
                [
                    code(one["name"]),
                    words.say(f"{name}, {one['name']}", one, "meaning"),
                    _default(one, words),
                    code(one["example"]),
                ]
                for one in recipe["variables"]
            ],
        )


def _default(variable: dict[str, Any], words: _Words) -> str:
    if "default" not in variable:
        return words.required
    if variable["default"] == "":
        return words.empty
    return code(re.sub(r"\{\{\.(\w+)[^}]*\}\}", r"<\1>", variable["default"]))
