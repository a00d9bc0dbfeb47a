"""What the engine says about itself: its programs, built from a tree of sources, print it with `--describe`."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from dev.toolchain import command

PROGRAMS = ("migrate", "migrate-dev", "redis-sync")

# As build.sh compiles it: what one of them has compiled comes from Go's cache, wherever the sources lie, and tests try what
# services run.
COMPILED = ("-trimpath", "-tags=nethttpomithttp2")
STATIC = {"CGO_ENABLED": "0"}

# By the digest of the sources: the same ones are built once, wherever they lie.
_known: dict[str, dict[str, Any]] = {}


def described(root: Path) -> dict[str, Any]:
    """The description of each program, by its name, from the sources in `engine` below `root`.

    Raises SystemExit with the compiler's words where they do not build.
    """
    digest = _digest(root / "engine")
    if digest not in _known:
        _known[digest] = _describe(root / "engine")
    return _known[digest]


def variables(root: Path) -> dict[str, Any]:
    """Every variable that one of the programs reads, by its name, in the order of their declaration."""
    found: dict[str, Any] = {}
    for program in described(root).values():
        for variable in program["variables"]:
            found.setdefault(variable["name"], variable)
    return found


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _describe(sources: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        built = command.run(
            *("go", "build", *COMPILED, "-buildvcs=false", f"-o={folder}/", "./cmd/..."),
            cwd=sources,
            env=STATIC,
            timeout=1200,
        )
        if built.returncode:
            raise SystemExit(f"The engine in {sources} does not build:\n{built.stderr}")
        return {name: json.loads(_print(Path(folder) / name)) for name in PROGRAMS}


def _print(program: Path) -> str:
    printed = command.run(program, "--describe", cwd=program.parent)
    if printed.returncode:
        raise SystemExit(f"{program.name} --describe ends with {printed.returncode}:\n{printed.stderr}")
    return printed.stdout
