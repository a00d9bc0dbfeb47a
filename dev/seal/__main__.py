"""`make engine [VERSION=x.y.z]`: seals engine/ into the template, for a release or, without a version, on the way to the next."""

import os
import re
import subprocess
import sys
from pathlib import Path

from dev.release.history import releases
from dev.seal import ENGINE, SERVICE, number
from dev.toolchain.install import ROOT, search_path


def following(version: str) -> str:
    """The version under which the engine is sealed until the next release: the program adds what tells contents apart."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0-dev"


def seal(version: str, folder: Path = ROOT) -> str:
    """Seals the engine of that checkout, and gives the whole version. At a release `avion-template` has the same number."""
    if not version.endswith("-dev"):
        project = folder / "pyproject.toml"
        text = re.sub(r'^version = ".*"$', f'version = "{version}"', project.read_text(), count=1, flags=re.MULTILINE)
        project.write_text(text)
    environment = {**os.environ, "PATH": search_path(), "GOWORK": "off", "GOTOOLCHAIN": "local"}
    command: list[str | Path] = ["go", "run", ".", folder / ENGINE, folder / SERVICE, number(version)]
    return subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, check=True, text=True, stdout=subprocess.PIPE
    ).stdout.strip()


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else following(releases()[-1].version)
    print(f"engine/ is sealed as {seal(chosen)}. Next: commit it.")
