"""docs/reference/files.md: what a service gets and whose each file is, from what Copier renders."""

from pathlib import Path

import pathspec

from dev.reference import facts, rendered
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write
from dev.release.interface import create_once

_INTRODUCTION = f"""\
What `copier copy` writes for `{rendered.SERVICE}`. A file that says *template* is kept current: `copier update` merges its
changes with yours. One that says *once* is created where it does not exist and is yours from then on: no copy, update or
recopy touches it. No path is ever renamed."""

_OWN = """\
Never written by Copier and therefore yours alone: every other file in `migrations/` and `migrations-seed/`, the jobs in
`migrations/backfill/`, and `.env`."""

_ENGINE = "tools/migrate/"
_ROOT = "layout: monorepo-root"


def page(root: Path) -> str:
    """The whole page."""
    settings = rendered.settings(root)
    found = _copies(root, list(settings["considerations"]["choices"].values()))
    meanings = facts.read("files.yml")
    facts.must_cover("files.yml", meanings, {_collapsed(path) for paths in found.values() for path in paths})
    once = pathspec.PathSpec.from_lines("gitignore", create_once(settings))
    sections = {"A service": set(), "The root of a monorepo": {_collapsed(path) for path in found.pop(_ROOT)}}
    sections["A service"] = {_collapsed(path) for paths in found.values() for path in paths}
    parts = []
    for title, paths in sections.items():
        rows = [
            [
                code(path),
                "once" if title == "A service" and once.match_file(path) else "template",
                meanings[path] + (_condition(path, found) if title == "A service" else ""),
            ]
            for path in sorted(paths, key=lambda path: (path.count("/") > 0, path))
        ]
        parts += [f"## {title}", table(["path", "whose", "what it is"], rows)]
    return write("Files", _INTRODUCTION, *parts, _OWN)


def _copies(root: Path, considerations: list[str]) -> dict[str, set[str]]:
    """The files, by the answers that bring them; nothing stands for the defaults."""
    everything = "every consideration"
    found = rendered.copies(
        root,
        {
            "": {"considerations": []},
            "layout: monorepo-service": {"considerations": [], "layout": "monorepo-service"},
            _ROOT: {"layout": "monorepo-root"},
            everything: {"considerations": considerations},
        },
    )
    if found.pop(everything) != found[""]:
        one = {f"considerations: {name}": {"considerations": [name]} for name in considerations}
        found |= rendered.copies(root, one)
    return found


def _collapsed(path: str) -> str:
    """The engine is one thing, however many files it has."""
    for folder in (f"{_ENGINE}redis-sync/", _ENGINE):
        if path.startswith(folder):
            return folder
    return path


def _condition(path: str, found: dict[str, set[str]]) -> str:
    """Which answers bring a file that not every service gets."""
    brought = [answers for answers, paths in found.items() if path in map(_collapsed, paths)]
    if len(brought) == len(found):
        return ""
    if "" not in brought:
        return f" ({' or '.join(map(code, brought))})"
    without = [answers for answers in found if answers not in brought]
    return f" (not with {' or '.join(map(code, without))})"
