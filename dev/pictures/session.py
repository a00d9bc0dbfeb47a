"""The recorded session: each command is really run, and the picture shows what it said."""

import re
import shlex
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from dev.pictures.svg import MONO, document, element, text
from dev.toolchain.command import environment

NAME = "session.svg"
_COLUMNS = 104
# No two runs take the same time on the same day.
_WHEN = re.compile(r" \(\d+ ms\)| in \d+ ms\b|(?<=\()\d+ ms; ")
# Where make found the recipe says nothing to a reader.
_PLACE = re.compile(r"(?<=\[)migrations\.mk:\d+: ")
_CHARACTER, _LINE, _SIZE = 8.4, 19, 14
_PAPER, _INK, _PROMPT, _TYPED = "#1b1f24", "#d0d7de", "#6cc644", "#ffffff"


@dataclass(frozen=True)
class Line:
    """A line of the terminal."""

    words: str
    typed: bool = False


def record(
    folder: Path, variables: Mapping[str, str], before_unseen: Callable[[Path], None] = lambda _: None
) -> list[Line]:
    """Does what the data says, in an empty folder, with the variables that lead to template and database."""
    lines: list[Line] = []
    for step in yaml.safe_load((Path(__file__).parent / "session.yml").read_text()):
        if "write" in step:
            (folder / step["write"]).write_text(step["content"])
            continue
        if "cd" in step:
            folder /= step["cd"]
            continue
        if "unseen" in step:
            before_unseen(folder)
        command = step.get("run") or step["unseen"]
        ended = subprocess.run(
            shlex.split(command),
            cwd=folder,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if "run" in step:
            lines.append(Line(command, typed=True))
            lines += [Line(line.rstrip()) for line in _PLACE.sub("", _WHEN.sub("", ended.stdout)).strip().splitlines()]
    return lines


def picture(lines: list[Line]) -> str:
    """The window of a terminal with these lines."""
    rows: list[Line] = []
    for line in lines:
        if line.typed and rows:
            rows.append(Line(""))
        pieces = textwrap.wrap(line.words, _COLUMNS, break_on_hyphens=False, drop_whitespace=True) or [""]
        rows += [Line(f"$ {pieces[0]}" if line.typed else piece, line.typed) for piece in pieces]
    width, height = round(_COLUMNS * _CHARACTER + 48), len(rows) * _LINE + 72
    parts = [element("rect", width=width, height=height, rx=10, fill=_PAPER)]
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        parts.append(element("circle", cx=24 + 20 * number, cy=22, r=6, fill=colour))
    style = {"font_family": MONO, "font_size": _SIZE, "lengthAdjust": "spacing"}
    for number, row in enumerate(rows):
        y = 60 + number * _LINE
        if row.typed:
            parts.append(text("$", x=24, y=y, fill=_PROMPT, **style))
            parts.append(_words(row.words[2:], 24 + 2 * _CHARACTER, y, fill=_TYPED, font_weight="bold", **style))
        elif row.words:
            parts.append(_words(row.words, 24, y, fill=_INK, **style))
    return document(width, height, "A session: generate, migrate, lint, try, and be refused in production", parts)


def _words(words: str, x: float, y: int, **style: object) -> str:
    """Text of the width that it has in a terminal, whatever font the reader has."""
    return text(words, x=x, y=y, textLength=round(len(words) * _CHARACTER, 1), **style)
