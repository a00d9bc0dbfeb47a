"""The picture of the engine's packages in CONTRIBUTING.md, drawn from what they import."""

from pathlib import Path

from dev.reference.markdown import redrawn
from dev.toolchain import command

DOCUMENT = "CONTRIBUTING.md"
_MODULE = "avion.internal/migrate/"

# What nearly every package imports would hide the rest.
_EVERYWHERE = {"failure", "sqlscan", "sqlstate", "sqltext"}

Imports = dict[str, set[str]]


def page(root: Path) -> str:
    """The document with its picture drawn anew."""
    return redrawn(root / DOCUMENT, "```mermaid\nflowchart TD", _lines(_imports(root)))


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
