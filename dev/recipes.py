"""The engine's recipes, as their own files in its catalog describe them."""

from pathlib import Path
from typing import Any

import yaml

CATALOG = "engine/internal/recipe/catalog"

Recipe = dict[str, Any]


def read(root: Path) -> dict[str, Recipe]:
    """What each recipe.yml says, by the recipe's name."""
    return {file.parent.name: _described(file) for file in sorted((root / CATALOG).glob("*/recipe.yml"))}


def tables(root: Path, recipe: str) -> str:
    """The migration with the tables that a recipe's examples are about; empty where the service's first one has them."""
    return _described(root / CATALOG / recipe / "recipe.yml").get("tables", "")


def _described(file: Path) -> Recipe:
    return yaml.safe_load(file.read_text())
