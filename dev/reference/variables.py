"""docs/reference/variables.md: what the engine and the targets read, from the engine's sources and migrations.mk."""

import re
from pathlib import Path
from typing import Any

from dev.reference import facts
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write
from dev.reference.targets import makefiles

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

# How the sources read a variable, and whether `.env` is asked.
_READ = {
    r'[sS]ettings\.(?:Get|Lookup|Seconds|Boolean)\("([A-Z_]+)"': True,
    r'[sS]ettings\.Typed\("([A-Z_]+)"\)': False,
    r'os\.Getenv\("([A-Z_]+)"\)': False,
    r'\b[Ss]ecret\(settings, "([A-Z_]+)"\)': True,
    r'^\t"(PG[A-Z]+)":\s+"\w+",$': True,
}
_SECONDS = r'[sS]ettings\.Seconds\("([A-Z_]+)", (\S.*?), (\d+), (\d+)\)'


def page(root: Path) -> str:
    """The whole page."""
    groups = facts.read("variables.yml")
    facts.must_cover("variables.yml", _names(groups), _variables(root, _engine(root)))
    parts = []
    for group, introduction in _GROUPS.items():
        rows = _rows(root, groups[group], "yes", "no", ", {} to {} seconds")
        parts += [f"## {group}", introduction, table(["variable", "default", "in `.env`", "meaning"], rows)]
    return write("Variables", _INTRODUCTION, *parts, other="variables.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    groups, meanings = facts.read("variables.yml"), facts.read("variables.ja.yml")
    facts.must_cover("variables.ja.yml", meanings, _names(groups))
    parts = []
    for group, (title, introduction) in _JAPANESE_GROUPS.items():
        rows = _rows(root, {name: meanings[name] for name in groups[group]}, "可", "不可", "（{}〜{} 秒）")
        parts += [f"## {title}", introduction, table(["変数", "既定値", "`.env`", "意味"], rows)]
    return write("変数", _JAPANESE, *parts, language="ja", other="variables.md")


def _names(groups: dict[str, dict[str, Any]]) -> list[str]:
    return [name for group in groups.values() for name in group]


def _rows(root: Path, facts_of: dict[str, dict[str, str]], yes: str, no: str, limits: str) -> list[list[str]]:
    engine = _engine(root)
    read, seconds = _variables(root, engine), _seconds(engine)
    rows = []
    for name, fact in facts_of.items():
        fallback, *ends = seconds.get(name, ("",))
        default = fact.get("default") or (code(fallback) if fallback else "")
        meaning = fact["meaning"] + (limits.format(*ends) if ends else "")
        rows.append([code(name), default, yes if read[name] else no, meaning])
    return rows


def _engine(root: Path) -> str:
    sources = [
        file
        for file in sorted((root / "engine").rglob("*.go"))
        if not file.name.endswith("_test.go") and not file.parent.name.endswith("test")
    ]
    return "\n".join(file.read_text() for file in sources)


def _seconds(engine: str) -> dict[str, tuple[str, str, str]]:
    """The default and the limits of each time."""
    found: dict[str, tuple[str, str, str]] = {}
    for name, fallback, low, high in re.findall(_SECONDS, engine):
        read = (fallback, low, high)
        if found.setdefault(name, read) != read:
            raise SystemExit(f"{name} is read as {found[name]} and as {read}: let the engine read it in one way.")
    return found


def _variables(root: Path, engine: str) -> dict[str, bool]:
    """Every variable, and whether `.env` may set it."""
    found: dict[str, bool] = {}
    for pattern, dotenv in _READ.items():
        for name in re.findall(pattern, engine, re.MULTILINE):
            found[name] = found.get(name, False) or dotenv
            if "ecret" in pattern:
                found[f"{name}_FILE"] = True
    for targets in makefiles(root):
        typed = re.split(r"\$\(foreach name,(?=[A-Z])", targets, maxsplit=1)[-1].partition("$(if $(filter command")[0]
        # Not what stands inside a function of make: those names are make's own.
        for name in re.findall(r"(?:^|(?<=[\s,]))[A-Z][A-Z_]+(?= |,\\$)", typed, re.MULTILINE):
            found.setdefault(name, False)
    for name in re.findall(r"\$\{([A-Z_]+):-", (root / "template/tools/migrate/build.sh").read_text()):
        found[name] = False
    return found
