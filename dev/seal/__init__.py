"""The sealed engine: what services hold of engine/, how it is made, and whether it still is what stands there."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dev.toolchain.install import ROOT

ENGINE = "engine"
SERVICE = "template/tools/migrate"
_PREFIX = re.compile(r"[^@]+@[^/]+/")


@dataclass(frozen=True)
class Seal:
    """A version of the engine as a service gets it, and its files by their path in the module."""

    version: str
    files: dict[str, bytes]


def sealed(folder: Path = ROOT) -> Seal:
    """The one engine that the template in this folder holds."""
    (archive,) = (folder / SERVICE / ENGINE).glob("*/*/@v/*.zip")
    with zipfile.ZipFile(archive) as content:
        files = {_PREFIX.sub("", name, count=1): content.read(name) for name in content.namelist()}
    return Seal(archive.stem, files)


def number(version: str) -> str:
    """The engine's version at that release of the template: v1.2003.4 at 2.3.4, because Go allows no v2 under a path without /v2.

    Source: https://go.dev/ref/mod#major-version-suffixes
    """
    major, minor, patch = version.split(".", 2)
    return f"v{version}" if int(major) < 2 else f"v1.{int(major) * 1000 + int(minor)}.{patch}"


def outdated(folder: Path = ROOT) -> list[str]:
    """The files of engine/ that are not sealed as they stand there, and those that are sealed and gone."""
    files = sealed(folder).files
    here = {path: (folder / ENGINE / path) for path in {*files, *sources(folder / ENGINE)}}
    return sorted(path for path, file in here.items() if not file.is_file() or files.get(path) != file.read_bytes())


def sources(engine: Path) -> list[str]:
    """What is to be sealed, as main.go beside this file chooses it."""
    found = (file.relative_to(engine) for file in engine.rglob("*") if file.is_file())
    return [
        file.as_posix()
        for file in found
        if not file.name.endswith("_test.go")
        and not any(part == "testdata" or part.endswith("test") for part in file.parts[:-1])
    ]
