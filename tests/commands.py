"""The commands that a service's documents and targets tell people to run."""

import re
import shlex
from pathlib import Path

from markdown_it import MarkdownIt

from dev.toolchain.install import ROOT


def documented(service: Path, *program: str, page: str = "README.md") -> list[list[str]]:
    """The words after `program` of each such command in a shell block of the documents, of a page of this repository, or in a
    recipe of migrations.mk.
    """
    texts = [file.read_text() for file in [*service.glob("*.md"), *service.glob("docs/*.md"), ROOT / page]]
    blocks = [token.content for text in texts for token in MarkdownIt().parse(text) if token.info == "bash"]
    makefile = (service / "migrations.mk").read_text().replace("$(migrate_composed)", "migrate")
    recipes = re.findall(r"^\t@?(.*)", makefile, re.MULTILINE)
    lines = [shlex.split(line) for line in [*"".join(blocks).splitlines(), *recipes] if line.startswith(program[0])]
    return [words[len(program) :] for words in lines if words[: len(program)] == [*program]]
