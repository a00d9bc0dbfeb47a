"""docs/reference/recipes.md: what `make migrate-create RECIPE=` can stamp, from the catalog of the engine."""

import re
from pathlib import Path
from typing import Any

import yaml

from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_INTRODUCTION = """\
A recipe is a series of migrations for a task that comes up in many services. `make migrate-recipes` lists them in a
service; `make migrate-create RECIPE=<recipe> STEP=<step>` stamps one step, in which each variable is typed as
`TABLE=sessions`. Each step is a file and a release of its own, in this order."""

CATALOG = "engine/internal/recipe/catalog"


def page(root: Path) -> str:
    """The whole page."""
    recipes = {file.parent.name: yaml.safe_load(file.read_text()) for file in (root / CATALOG).glob("*/recipe.yml")}
    parts = []
    for name, recipe in sorted(recipes.items()):
        steps = [[code(step["name"]), _sentence(step["summary"])] for step in recipe["steps"]]
        variables = [
            [code(one["name"]), _sentence(one["meaning"]), _default(one), code(one["example"])]
            for one in recipe["variables"]
        ]
        parts += [
            f"## {name}",
            _sentence(recipe["summary"]) + ".",
            table(["step", "what it does"], steps),
            table(["variable", "meaning", "default", "example"], variables),
        ]
    return write("Recipes", _INTRODUCTION, *parts)


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text[:1].upper() + text[1:]


def _default(variable: dict[str, Any]) -> str:
    if "default" not in variable:
        return "must be given"
    if variable["default"] == "":
        return "nothing"
    return code(re.sub(r"\{\{\.(\w+)[^}]*\}\}", r"<\1>", variable["default"]))
