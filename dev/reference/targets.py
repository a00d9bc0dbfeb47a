"""docs/reference/targets.md: what can be typed after make, from migrations.mk and the targets of the worker for Redis."""

import re
from pathlib import Path

from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_INTRODUCTION = """\
`make migrate-help` prints these in a service. What is in brackets may be left out. Every target also takes the settings
of the [engine](variables.md). `tools/migrate/bin/migrate --help` lists what the engine can do besides."""


def page(root: Path) -> str:
    """The whole page."""
    text = "\n".join(makefiles(root))
    rows = []
    for name, meaning in re.findall(r"^(migrate-[a-z-]+):.*?## (.+)$", text, re.MULTILINE):
        what = re.sub(r": \[?[A-Z_]+=.*$", "", meaning)
        variables = re.findall(r"\[?[A-Z_]+=[\w<>]*\]?", meaning)
        rows.append([code(f"make {name}"), what, ", ".join(map(code, variables))])
    return write("Make targets", _INTRODUCTION, table(["target", "what it does", "variables"], rows))


def makefiles(root: Path) -> list[str]:
    """The targets that every service has, and those that a consideration brings."""
    return [
        (root / "template/migrations.mk").read_text(),
        *(file.read_text() for file in sorted((root / "template/tools/migrate").glob("*/targets.mk"))),
    ]
