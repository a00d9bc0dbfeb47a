"""The picture of the engine's packages in CONTRIBUTING.md, drawn from what they import."""

import re
from pathlib import Path

from dev.toolchain import command

DOCUMENT = "CONTRIBUTING.md"
_MODULE = "avion.internal/migrate/"
_PICTURE = re.compile(r"```mermaid\n.*?```", re.DOTALL)

# What nearly every package imports would hide the rest.
_EVERYWHERE = {"failure", "sqlscan", "sqlstate", "sqltext"}

Imports = dict[str, set[str]]


def page(root: Path) -> str:
    """The document with its picture drawn anew."""
    picture = "\n".join(["```mermaid", "flowchart TD", *_lines(_imports(root)), "```"])
    text, drawn = _PICTURE.subn(lambda _: picture, (root / DOCUMENT).read_text())
    if drawn != 1:
        raise SystemExit(
            f"{DOCUMENT} has {drawn} pictures of the packages, and needs one: a block that begins with ```mermaid."
        )
    return text


def _imports(root: Path) -> Imports:
    """What each package imports of the others; packages of tests, which no program holds, are left out."""
    listed = command.run(
        "go", "list", "-deps", "-f", '{{.ImportPath}} {{join .Imports " "}}', "./cmd/...", cwd=root / "engine"
    )
    if listed.returncode:
        raise SystemExit(f"The packages in {root / 'engine'} cannot be listed:\n{listed.stderr}")
    found: Imports = {}
    for line in listed.stdout.splitlines():
        if line.startswith(_MODULE):
            package, *imports = [path.removeprefix(_MODULE) for path in line.split() if path.startswith(_MODULE)]
            found[package.removeprefix("internal/")] = {name.removeprefix("internal/") for name in imports}
    return found


def _lines(imports: Imports) -> list[str]:
    """An arrow for each import, but for what another arrow already leads to."""
    lines = []
    for package, direct in sorted(imports.items()):
        beyond = set().union(*(_reached(imports, each) for each in direct))
        drawn = sorted(direct - beyond - _EVERYWHERE)
        if drawn:
            lines.append(f"    {package} --> {' & '.join(drawn)}")
    return lines


def _reached(imports: Imports, package: str) -> set[str]:
    return set(imports[package]).union(*(_reached(imports, each) for each in imports[package]))
