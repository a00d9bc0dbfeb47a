"""The pages of docs/reference and the parts of documents that are made from the sources: `make reference` writes them, a test compares them.

What a source does not say, for people, stands as data in the YAML files beside this.
"""

from collections.abc import Callable
from pathlib import Path

from dev.reference import (
    exit_codes,
    files,
    glossary,
    operations,
    packages,
    questions,
    recipes,
    targets,
    tree,
    variables,
)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "docs/reference"

_PAGES: dict[str, Callable[[Path], str]] = {
    "questions.md": questions.page,
    "questions.ja.md": questions.japanese,
    "files.md": files.page,
    "files.ja.md": files.japanese,
    "targets.md": targets.page,
    "targets.ja.md": targets.japanese,
    "variables.md": variables.page,
    "variables.ja.md": variables.japanese,
    "glossary.md": glossary.page,
    "glossary.ja.md": glossary.japanese,
    "exit-codes.md": exit_codes.page,
    "exit-codes.ja.md": exit_codes.japanese,
    "recipes.md": recipes.page,
    "recipes.ja.md": recipes.japanese,
}


_PARTS: dict[str, Callable[[Path], str]] = {
    "includes/documents/en/unsafe-operations.md": operations.english,
    "includes/documents/ja/unsafe-operations.md": operations.japanese,
    packages.DOCUMENT: packages.page,
    tree.ENGLISH: tree.english,
    tree.JAPANESE: tree.japanese,
}


def pages(root: Path = ROOT) -> dict[str, str]:
    """The text of each page, by its path, as the sources below `root` are."""
    made = {f"{FOLDER}/{name}": page for name, page in _PAGES.items()} | _PARTS
    return {path: page(root) for path, page in made.items()}
