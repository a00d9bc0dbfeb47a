"""copier.yml as data, where Copier itself is not asked."""

from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template


def read(root: Path) -> dict[str, Any]:
    """The questions and settings of a template; the choices that a question takes from versions.yml are looked up there."""
    entries = yaml.safe_load((root / "copier.yml").read_text())
    for entry in entries.values():
        if isinstance(entry, dict) and isinstance(choices := entry.get("choices"), str):
            versions = yaml.safe_load((root / "versions.yml").read_text())
            entry["choices"] = yaml.safe_load(Template(choices).render(versions=versions))
    return entries


def questions(entries: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of the entries that have an answer of their own: neither settings of Copier nor computed."""
    return {
        name: entry for name, entry in entries.items() if not name.startswith("_") and entry.get("when") is not False
    }
