"""The tree in both READMEs: what a service gets with every part, from the manifest."""

from collections.abc import Callable, Iterator
from pathlib import Path

from dev.manifest import FOLDERS, Entry, entries
from dev.reference.markdown import redrawn

ENGLISH, JAPANESE = "README.md", "README.ja.md"
_SERVICE = "avion-auth"


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
    branches = [*(f"├── {line}" for line in lines[:-1]), f"└── {lines[-1]}"]
    return redrawn(root / document, f"```text\n{_SERVICE}/", branches)


def _shown(root: Path) -> Iterator[tuple[Entry, bool]]:
    """The files at the top and the folders, each with whether all in it is created once."""
    files = entries(root=root)
    for entry in files:
        if "/" not in entry.path:
            yield entry, entry.once
    for folder in entries(FOLDERS, root):
        inside = [entry for entry in files if entry.path.startswith(folder.path)]
        if not inside:
            raise SystemExit(f"manifest.yml sums up {folder.path}, and names no file there: remove that line.")
        yield folder, all(entry.once for entry in inside)
        files = [entry for entry in files if entry not in inside]
    if missing := [entry.path for entry in files if "/" in entry.path]:
        raise SystemExit(f"manifest.yml sums up no folder of {', '.join(missing)}: add one under `{FOLDERS}`.")
