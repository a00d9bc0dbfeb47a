"""docs/reference/variables.md: what the engine, by its own words, and the targets read."""

import re
from pathlib import Path
from typing import Any

from dev.reference import facts
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write
from dev.reference.targets import makefiles
from dev.toolchain import engine

_INTRODUCTION = """\
Where one is set in several places, the command line of make wins over the environment, and the environment over `.env`.
`DB_URL` replaces host, port, database, role and password at once, except where a single `DB_*` variable comes from a stronger
place. A blank value counts as none, except for `ENVIRONMENT`. Times are whole numbers of seconds.

Do not put a password on the command line. Use `.env`, the environment or `DB_PASSWORD_FILE`: the engine shows it nowhere."""
_JAPANESE = """\
同じ変数が複数の場所にあるときは、make のコマンドライン、環境変数、`.env` の順に優先されます。`DB_URL` はホスト、ポート、データベース、ロール、パスワードをまとめて置き換えますが、より優先される場所に個別の `DB_*` があれば、その値が使われます。空の値は、`ENVIRONMENT` を除いて、指定がないものとみなします。時間は秒の整数です。

パスワードはコマンドラインに書かず、`.env`、環境変数、`DB_PASSWORD_FILE` のいずれかで渡します。エンジンはパスワードをどこにも表示しません。"""

_GROUPS = {
    "Connection": "Which database, and how it is reached.",
    "Run": "How a run behaves, and what it leaves behind.",
    "Targets": "Typed after `make`; [targets](targets.md) says after which.",
    "libpq": "As psql reads them; they fill in what is open.",
    "Machine": "What the machine brings.",
}
_JAPANESE_GROUPS = {
    "Connection": ("接続", "どのデータベースに、どのように接続するか。"),
    "Run": ("実行", "どのように実行し、何を残すか。"),
    "Targets": (
        "ターゲット",
        "`make` の後に書きます。どのターゲットに書けるかは[ターゲット](targets.ja.md)にあります。",
    ),
    "libpq": ("libpq", "psql と同じく、ほかで決まらないものを補います。"),
    "Machine": ("マシン", "マシンが用意するもの。"),
}


def page(root: Path) -> str:
    """The whole page."""
    groups = _variables(root)
    parts = []
    for group, introduction in _GROUPS.items():
        rows = [
            [
                code(name),
                code(one["default"]) if "default" in one else one.get("otherwise", ""),
                "yes" if one["dotenv"] else "no",
                one["meaning"] + _limits(one, ", {} to {} seconds"),
            ]
            for name, one in groups[group].items()
        ]
        parts += [f"## {group}", introduction, table(["variable", "default", "in `.env`", "meaning"], rows)]
    return write("Variables", _INTRODUCTION, *parts, other="variables.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    groups, meanings = _variables(root), facts.read("variables.ja.yml")
    facts.must_cover("variables.ja.yml", meanings, [name for group in groups.values() for name in group])
    parts = []
    for group, (title, introduction) in _JAPANESE_GROUPS.items():
        rows = [
            [
                code(name),
                code(one["default"]) if "default" in one else meanings[name].get("otherwise", ""),
                "可" if one["dotenv"] else "不可",
                meanings[name]["meaning"] + _limits(one, "（{}〜{} 秒）"),
            ]
            for name, one in groups[group].items()
        ]
        parts += [f"## {title}", introduction, table(["変数", "既定値", "`.env`", "意味"], rows)]
    return write("変数", _JAPANESE, *parts, language="ja", other="variables.md")


def _limits(variable: dict[str, Any], words: str) -> str:
    limits = variable.get("limits")
    return words.format(limits["lowest"], limits["highest"]) if limits else ""


def _variables(root: Path) -> dict[str, dict[str, Any]]:
    """Every variable, by its group: those that the engine reads, and those of make and build.sh, which it does not."""
    groups: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
    read = engine.variables(root)
    for name, variable in read.items():
        groups[variable["group"]][name] = variable
    others = facts.read("variables.yml")
    facts.must_cover("variables.yml", [name for group in others.values() for name in group], _typed(root) - set(read))
    for group, meanings in others.items():
        groups[group] |= {name: {"dotenv": False, **meaning} for name, meaning in meanings.items()}
    return groups


def _typed(root: Path) -> set[str]:
    """What the targets and build.sh take."""
    found = set(re.findall(r"\$\{([A-Z_]+):-", (root / "template/tools/migrate/build.sh").read_text()))
    for targets in makefiles(root):
        typed = re.split(r"\$\(foreach name,(?=[A-Z])", targets, maxsplit=1)[-1].partition("$(if $(filter command")[0]
        # Not what stands inside a function of make: those names are make's own.
        found.update(re.findall(r"(?:^|(?<=[\s,]))[A-Z][A-Z_]+(?= |,\\$)", typed, re.MULTILINE))
    return found
