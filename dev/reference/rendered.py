"""The template as Copier renders it for these pages: the sources as they stand, whatever git has of them."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml
from copier import run_copy

SERVICE = "avion-auth"
_SOURCES = (
    *("copier.yml", "versions.yml", "hooks", "includes", "template", "monorepo"),
    "engine/internal/wiring/sections",
)


@contextmanager
def _template(root: Path) -> Iterator[Path]:
    """A copy without git, in which Copier cannot look for a released version instead."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _SOURCES:
            copy = shutil.copytree if (root / name).is_dir() else shutil.copy
            copy(root / name, Path(folder) / name)
        yield Path(folder)


def defaults(root: Path) -> dict[str, object]:
    """What is stored for avion-auth when nobody answers anything."""
    with _template(root) as template, tempfile.TemporaryDirectory() as folder:
        service = Path(folder) / SERVICE
        run_copy(str(template), service, defaults=True, unsafe=False, quiet=True)
        return yaml.safe_load((service / ".copier-answers.yml").read_text())


def refusals(root: Path, answers: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The sentence with which each set of answers is refused; nothing for one that is accepted."""
    found = {}
    with _template(root) as template:
        for name, given in answers.items():
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / SERVICE
                try:
                    run_copy(
                        str(template), target, data=dict(given), defaults=True, unsafe=False, quiet=True, exclude=["**"]
                    )
                except ValueError as error:
                    found[name] = " ".join(str(error).partition(f"question '{name}': ")[2].split()) or str(error)
    return found
