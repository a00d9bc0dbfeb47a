"""Markdown as these pages need it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_NOTES = {
    "en": "Made from the sources by `make reference`; edit those.",
    "ja": "このページは `make reference` がソースから作成します。変更するときは、ソースを変更してください。",
}
_NAMES = {"en": "English", "ja": "日本語"}


def page(title: str, *parts: str, language: str = "en", other: str = "") -> str:
    """A page of paragraphs, lists and tables; `other` is the file that says the same in the other language."""
    (theirs,) = _NAMES.keys() - {language}
    link = [f"[{_NAMES[theirs]}]({other})"] if other else []
    return "\n\n".join([f"# {title}", *link, *parts, _NOTES[language]]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell stays text."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def redrawn(document: Path, opening: str, lines: Iterable[str]) -> str:
    """The text of a document, whose one block of code that opens so holds these lines instead."""
    block = "\n".join([opening, *lines, "```"])
    text, drawn = re.subn(rf"{re.escape(opening)}\n.*?```", lambda _: block, document.read_text(), flags=re.DOTALL)
    if drawn != 1:
        raise SystemExit(f"{document.name} has {drawn} blocks that begin with {opening!r}: leave one, which is drawn.")
    return text


def code(text: object) -> str:
    """Text as it is typed."""
    return f"`{text}`"
