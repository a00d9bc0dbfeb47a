"""The pages of this repository for people, and the blocks of code on them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from dev.toolchain.install import ROOT

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    code: str


def pages() -> list[str]:
    """The path of every page."""
    found = [*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in found)


def blocks(page: str | Path) -> list[Block]:
    """The blocks of a page, in their order."""
    text = (ROOT / page).read_text()
    return [Block(language, textwrap.dedent(code)) for _, language, code in _FENCE.findall(text)]
