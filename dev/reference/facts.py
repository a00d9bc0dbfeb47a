"""The facts about names of the interface that stand beside this, each name exactly once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """The facts in one file, by the name that they are about."""
    return yaml.safe_load((_FOLDER / name).read_text())


def must_cover(name: str, facts: Iterable[str], exist: Iterable[str]) -> None:
    """Refuses names without a fact, and facts about names that do not exist."""
    missing, stale = sorted(set(exist) - set(facts)), sorted(set(facts) - set(exist))
    if missing or stale:
        raise SystemExit(f"dev/reference/{name}: write a line for {missing or 'nothing'}, remove {stale or 'nothing'}.")
