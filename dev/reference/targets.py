"""docs/reference/targets.md: what can be typed after make, from migrations.mk and the targets of the worker for Redis."""

import re
from pathlib import Path

from dev.reference import facts
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_INTRODUCTION = """\
`make migrate-help` prints these in a service. What is in brackets may be left out. Every target also takes the settings
of the [engine](variables.md). `tools/migrate/bin/migrate --help` lists what the engine can do besides.

The engine itself completes commands and flags where bash-completion is installed: type
`source <(tools/migrate/bin/migrate completion bash)`. `zsh` and `fish` work in the same way."""
_JAPANESE = """\
サービスで `make migrate-help` を実行すると、同じ一覧が英語で表示されます。角括弧の中は省略できます。どのターゲットにも[変数](variables.ja.md)を指定できます。エンジンのほかのコマンドは `tools/migrate/bin/migrate --help` で確認できます。

bash-completion があれば、`source <(tools/migrate/bin/migrate completion bash)` でエンジンのコマンドとフラグを補完できます。`zsh` と `fish` も同様です。"""


def page(root: Path) -> str:
    """The whole page."""
    rows = [
        [code(f"make {name}"), re.sub(r": \[?[A-Z_]+=.*$", "", meaning), _variables(meaning, ", ")]
        for name, meaning in _targets(root)
    ]
    head = ["target", "what it does", "variables"]
    return write("Make targets", _INTRODUCTION, table(head, rows), other="targets.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    meanings = facts.read("targets.ja.yml")
    targets = _targets(root)
    facts.must_cover("targets.ja.yml", meanings, [name for name, _ in targets])
    rows = [[code(f"make {name}"), meanings[name], _variables(meaning, "、")] for name, meaning in targets]
    head = ["ターゲット", "内容", "変数"]
    return write("make ターゲット", _JAPANESE, table(head, rows), language="ja", other="targets.md")


def _targets(root: Path) -> list[tuple[str, str]]:
    """Each target with what `make migrate-help` says about it."""
    return re.findall(r"^(migrate-[a-z-]+):.*?## (.+)$", "\n".join(makefiles(root)), re.MULTILINE)


def _variables(meaning: str, separator: str) -> str:
    return separator.join(map(code, re.findall(r"\[?[A-Z_]+=[\w<>]*\]?", meaning)))


def makefiles(root: Path) -> list[str]:
    """The targets that every service has, and those that a consideration brings."""
    return [
        (root / "template/migrations.mk").read_text(),
        *(file.read_text() for file in sorted((root / "template/tools/migrate").glob("*/targets.mk"))),
    ]
