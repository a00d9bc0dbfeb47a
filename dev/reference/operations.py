"""The guide's table of unsafe operations, from the cases that the engine's tests run."""

from pathlib import Path

import yaml

from dev.reference.markdown import code, table

OPERATIONS = "engine/internal/lint/testdata/operations.yml"

_HEADS = {
    "en": ["Operation", "Lock", "Problem", "Safe way"],
    "ja": ["操作", "ロック", "問題", "安全な手順"],
}


def english(root: Path) -> str:
    """The table in English."""
    return _table(root, "en")


def japanese(root: Path) -> str:
    """The table in Japanese."""
    return _table(root, "ja")


def _table(root: Path, language: str) -> str:
    rows = []
    for row in yaml.safe_load((root / OPERATIONS).read_text()):
        # Where no lock of one relation is meant, words say which.
        lock = code(row["lock"]) if "relation" in row else row["lock"][language]
        rows.append([row["operation"][language], lock, row["problem"][language], row["instead"][language]])
    return table(_HEADS[language], rows) + "\n"
