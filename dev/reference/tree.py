"""The tree in both READMEs: what a service gets with every part, from the manifest."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dev.manifest import FOLDERS, Entry, entries

ENGLISH, JAPANESE = "README.md", "README.ja.md"
_SERVICE = "avion-auth"
_TREE = re.compile(rf"```text\n{_SERVICE}/\n.*?```", re.DOTALL)


def english(root: Path) -> str:
    """README.md with its tree drawn anew."""
    return _drawn(root, ENGLISH, "once", lambda entry: entry.en)


def japanese(root: Path) -> str:
    """The same in Japanese."""
    return _drawn(root, JAPANESE, "初回", lambda entry: entry.ja)


def _drawn(root: Path, document: str, once: str, meaning: Callable[[Entry], str]) -> str:
    shown = [*_shown(root)]
    width = max(len(entry.path) for entry, _ in shown)
    lines = [
        f"{entry.path:{width}}  {once if is_once else '    '}  {meaning(entry).replace('`', '')}"
        for entry, is_once in shown
    ]
    tree = "\n".join(["```text", f"{_SERVICE}/", *(f"├── {line}" for line in lines[:-1]), f"└── {lines[-1]}", "```"])
    text, drawn = _TREE.subn(lambda _: tree, (root / document).read_text())
    if drawn != 1:
        raise SystemExit(f"{document} has {drawn} trees of {_SERVICE}, and needs one: a block of text that begins so.")
    return text


def _shown(root: Path) -> Iterator[tuple[Entry, bool]]:
    """The files at the top and the folders, each with whether all in it is created once."""
    files = entries(root=root)
    for entry in files:
        if "/" not in entry.path:
            yield entry, entry.owner == "once"
    for folder in entries(FOLDERS, root):
        inside = [entry for entry in files if entry.path.startswith(folder.path)]
        if not inside:
            raise SystemExit(f"manifest.yml sums up {folder.path}, and names no file there: remove that line.")
        yield folder, all(entry.owner == "once" for entry in inside)
        files = [entry for entry in files if entry not in inside]
    if missing := [entry.path for entry in files if "/" in entry.path]:
        raise SystemExit(f"manifest.yml sums up no folder of {', '.join(missing)}: add one under `{FOLDERS}`.")
