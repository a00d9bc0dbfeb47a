"""docs/reference/variables.md: what the engine and the targets read, from the engine's sources and migrations.mk."""

import re
from pathlib import Path

from dev.reference import facts
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write
from dev.reference.targets import makefiles

_INTRODUCTION = """\
Where one is set in several places, the command line of make wins over the environment, and the environment over `.env`.
A blank value counts as none, except for `ENVIRONMENT`. Times are whole numbers of seconds."""

_GROUPS = {
    "Connection": "Which database, and how it is reached.",
    "Run": "How a run behaves, and what it leaves behind.",
    "Targets": "Typed after `make`; [targets](targets.md) says after which.",
    "libpq": "As psql reads them; they fill in what is open.",
    "Machine": "What the machine brings.",
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
    engine = _engine(root)
    read = _variables(root, engine)
    groups = facts.read("variables.yml")
    meanings = {name: meaning for group in groups.values() for name, meaning in group.items()}
    facts.must_cover("variables.yml", meanings, read)
    seconds = _seconds(engine)
    parts = []
    for group, introduction in _GROUPS.items():
        rows = []
        for name, fact in groups[group].items():
            fallback, limits = seconds.get(name, ("", ""))
            default = fact.get("default") or (code(fallback) if fallback else "")
            meaning = fact["meaning"] + (f", {limits} seconds" if limits else "")
            rows.append([code(name), default, "yes" if read[name] else "no", meaning])
        parts += [f"## {group}", introduction, table(["variable", "default", "in `.env`", "meaning"], rows)]
    return write("Variables", _INTRODUCTION, *parts)


def _engine(root: Path) -> str:
    sources = [
        file
        for file in sorted((root / "engine").rglob("*.go"))
        if not file.name.endswith("_test.go") and not file.parent.name.endswith("test")
    ]
    return "\n".join(file.read_text() for file in sources)


def _seconds(engine: str) -> dict[str, tuple[str, str]]:
    """The default and the limits of each time."""
    found: dict[str, tuple[str, str]] = {}
    for name, fallback, low, high in re.findall(_SECONDS, engine):
        read = (fallback, f"{low} to {high}")
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
