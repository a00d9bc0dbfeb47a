"""docs/reference/files.md: what a service gets and whose each file is, from the manifest."""

from dataclasses import dataclass
from pathlib import Path

from dev.manifest import ANY, MONOREPO, SERVICE, Entry, entries
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_NAME = "auth"

_INTRODUCTION = f"""\
What `copier copy` writes for `avion-{_NAME}`. A file that says *template* is kept current: `copier update` merges its
changes with yours. One that says *once* is created where it does not exist and is yours from then on: no copy, update or
recopy touches it. No path is ever renamed."""

_OWN = """\
Never written by Copier and therefore yours alone: every other file in `migrations/` and `migrations-seed/`, the definitions in
`migrations/backfill/` and `migrations/maintenance/`, and `.env`."""

_JAPANESE = f"""\
`copier copy` が `avion-{_NAME}` に書き込むファイルです。所有者が「テンプレート」のファイルは、`copier update` がサービスの変更と統合しながら最新に保ちます。「サービス」のファイルは、存在しない場合に一度だけ作成され、以後はサービスのものです。copy、update、recopy のいずれも変更しません。パスの名前が変わることはありません。"""

_JAPANESE_OWN = """\
次のファイルは Copier が書き込むことはなく、サービスだけのものです。`migrations/` と `migrations-seed/` のほかのファイル、`migrations/backfill/` と `migrations/maintenance/` の定義、`.env`。"""


def page(root: Path) -> str:
    """The whole page."""
    conditions = _Conditions(
        part=" (part {})",
        layout=" (only with {})",
        any=" (with any of `considerations`)",
        some=" ({})",
        separator=" or ",
    )
    parts = []
    for title, of in (("A service", SERVICE), ("The root of a monorepo", MONOREPO)):
        rows = [[*_whose(entry, "template", "once"), entry.en + conditions.of(entry)] for entry in _sorted(of, root)]
        parts += [f"## {title}", table(["path", "whose", "what it is"], rows)]
    return write("Files", _INTRODUCTION, *parts, _OWN, other="files.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    conditions = _Conditions(
        part="（`parts` の {}）",
        layout="（{} の場合のみ）",
        any="（`considerations` のいずれかを選択した場合）",
        some="（{} の場合）",
        separator="、",
    )
    parts = []
    for title, of in (("サービス", SERVICE), ("モノレポのルート", MONOREPO)):
        rows = [
            [*_whose(entry, "テンプレート", "サービス"), entry.ja + conditions.of(entry)] for entry in _sorted(of, root)
        ]
        parts += [f"## {title}", table(["パス", "所有者", "内容"], rows)]
    return write("ファイル", _JAPANESE, *parts, _JAPANESE_OWN, language="ja", other="files.md")


@dataclass(frozen=True)
class _Conditions:
    """How a language says which answers bring a file that not every service gets."""

    part: str
    layout: str
    any: str
    some: str
    separator: str

    def of(self, entry: Entry) -> str:
        said = self.part.format(code(entry.part)) if entry.part else ""
        if entry.layout:
            said += self.layout.format(code(f"layout: {entry.layout}"))
        if ANY in entry.considerations:
            return said + self.any
        if entry.considerations:
            names = self.separator.join(code(f"considerations: {name}") for name in entry.considerations)
            said += self.some.format(names)
        return said


def _whose(entry: Entry, template: str, once: str) -> list[str]:
    return [code(entry.named(_NAME)), once if entry.once else template]


def _sorted(of: str, root: Path) -> list[Entry]:
    return sorted(entries(of, root), key=lambda entry: (entry.path.count("/") > 0, entry.named(_NAME)))
