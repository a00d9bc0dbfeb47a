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
Never written by Copier and therefore yours alone: every other file in `migrations/` and `migrations-seed/`, the definitions in
`migrations/backfill/` and `migrations/maintenance/`, and `.env`."""

_JAPANESE = f"""\
`copier copy` が `{rendered.SERVICE}` に書き込むファイルです。所有者が「テンプレート」のファイルは、`copier update` がサービスの変更と統合しながら最新に保ちます。「サービス」のファイルは、存在しない場合に一度だけ作成され、以後はサービスのものです。copy、update、recopy のいずれも変更しません。パスの名前が変わることはありません。"""

_JAPANESE_OWN = """\
次のファイルは Copier が書き込むことはなく、サービスだけのものです。`migrations/` と `migrations-seed/` のほかのファイル、`migrations/backfill/` と `migrations/maintenance/` の定義、`.env`。"""

_ENGINE = "tools/migrate/"
_ROOT = "layout: monorepo-root"


def page(root: Path) -> str:
    """The whole page."""
    sections = _rows(
        root,
        "files.yml",
        ("template", "once"),
        (" (not with {})", " ({})", " (with any of `considerations`)", " or "),
        " (part {})",
    )
    parts = []
    for title, rows in zip(("A service", "The root of a monorepo"), sections, strict=True):
        parts += [f"## {title}", table(["path", "whose", "what it is"], rows)]
    return write("Files", _INTRODUCTION, *parts, _OWN, other="files.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    sections = _rows(
        root,
        "files.ja.yml",
        ("テンプレート", "サービス"),
        ("（{} の場合を除く）", "（{} の場合）", "（`considerations` のいずれかを選択した場合）", "、"),
        "（`parts` の {}）",
    )
    parts = []
    for title, rows in zip(("サービス", "モノレポのルート"), sections, strict=True):
        parts += [f"## {title}", table(["パス", "所有者", "内容"], rows)]
    return write("ファイル", _JAPANESE, *parts, _JAPANESE_OWN, language="ja", other="files.md")


def _rows(
    root: Path, names: str, owners: tuple[str, str], conditions: tuple[str, str, str, str], part: str
) -> tuple[list[list[str]], list[list[str]]]:
    """The rows about a service, and those about the root of a monorepo."""
    settings = rendered.settings(root)
    found = _copies(root, list(settings["considerations"]["choices"].values()))
    meanings = facts.read(names)
    facts.must_cover(names, meanings, {_collapsed(path) for paths in found.values() for path in paths})
    once = pathspec.PathSpec.from_lines("gitignore", create_once(settings))
    monorepo = {_collapsed(path) for path in found.pop(_ROOT)}
    service = {_collapsed(path) for paths in found.values() for path in paths}
    belongs = {path: part.format(code(name)) for name, paths in _parts(root, settings).items() for path in paths}
    return (
        [
            [
                code(path),
                owners[once.match_file(path)],
                meanings[path] + belongs.get(path, "") + _condition(path, found, *conditions),
            ]
            for path in _sorted(service)
        ],
        [[code(path), owners[False], meanings[path]] for path in _sorted(monorepo)],
    )


def _sorted(paths: set[str]) -> list[str]:
    return sorted(paths, key=lambda path: (path.count("/") > 0, path))


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


def _parts(root: Path, settings: dict) -> dict[str, set[str]]:
    """The files that each part brings, considerations included."""
    parts = settings["parts"]["default"]
    everything = {"considerations": list(settings["considerations"]["choices"].values())}
    found = rendered.copies(
        root, {"": everything} | {part: everything | {"parts": [one for one in parts if one != part]} for part in parts}
    )
    return {part: {*map(_collapsed, found[""] - found[part])} for part in parts}


def _collapsed(path: str) -> str:
    """The engine is one thing, however many files it has."""
    for folder in (f"{_ENGINE}redis-sync/", _ENGINE):
        if path.startswith(folder):
            return folder
    return path


def _condition(path: str, found: dict[str, set[str]], without: str, with_: str, with_any: str, separator: str) -> str:
    """Which answers bring a file that not every service gets."""
    brought = [answers for answers, paths in found.items() if path in map(_collapsed, paths)]
    if len(brought) == len(found):
        return ""
    if brought == [answers for answers in found if answers.startswith("considerations: ")]:
        return with_any
    if "" not in brought:
        return with_.format(separator.join(map(code, brought)))
    return without.format(separator.join(code(answers) for answers in found if answers not in brought))
