"""Markdown as these pages need it."""

from collections.abc import Iterable, Sequence

_NOTE = "Made from the sources by `make reference`; edit those."


def page(title: str, *parts: str) -> str:
    """A page of paragraphs, lists and tables."""
    return "\n\n".join([f"# {title}", *parts, _NOTE]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell stays text."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def code(text: object) -> str:
    """Text as it is typed."""
    return f"`{text}`"
