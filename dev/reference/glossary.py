"""docs/reference/glossary.md: the words of the documents, from includes/documents/glossary.yml, to which a test holds them."""

from pathlib import Path
from typing import Any

import yaml

from dev.reference.markdown import page as write
from dev.reference.markdown import table

_INTRODUCTION = "One word for one thing: the words of the documents, and what they mean here."
_JAPANESE = "ドキュメントの用語と、ここでの意味です。1 つのものには 1 つの用語だけを使います。"


def page(root: Path) -> str:
    """The whole page."""
    rows = [[word["en"], word["ja"], word["means"]["en"]] for word in _explained(root)]
    return write("Glossary", _INTRODUCTION, table(["word", "Japanese", "meaning"], rows), other="glossary.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    rows = [[word["ja"], word["en"], word["means"]["ja"]] for word in _explained(root)]
    head = ["用語", "英語", "意味"]
    return write("用語集", _JAPANESE, table(head, rows), language="ja", other="glossary.md")


def _explained(root: Path) -> list[dict[str, Any]]:
    words = yaml.safe_load((root / "includes/documents/glossary.yml").read_text())
    return [word for word in words if "means" in word]
