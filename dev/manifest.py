"""manifest.yml: every file that Copier writes, whose it is, which answers bring it, and what it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.toolchain.install import ROOT

FILE = "manifest.yml"
SERVICE, MONOREPO, FOLDERS = "service", "monorepo-root", "folders"
ANY = "any"


@dataclass(frozen=True)
class Entry:
    """A file, or a folder whose files are one thing, as its line of the manifest describes it."""

    path: str
    # What it is for, in English and in Japanese.
    en: str
    ja: str
    owner: str = "template"
    # Only with this part, in this layout, with any of these considerations; nothing for always.
    part: str = ""
    layout: str = ""
    considerations: tuple[str, ...] = ()

    @property
    def once(self) -> bool:
        """Whether it is created where it does not exist, and the service's from then on."""
        return self.owner == "once"

    def named(self, service_name: str) -> str:
        """Its path in a service of that name."""
        return self.path.replace("<service>", service_name)

    def comes_with(self, answers: Mapping[str, Any]) -> bool:
        """Whether the stored answers of a service bring it."""
        chosen = {*answers["considerations"]}
        if ANY in self.considerations:
            considered = bool(chosen)
        else:
            considered = not self.considerations or bool(chosen & {*self.considerations})
        return self.part in ("", *answers["parts"]) and self.layout in ("", answers["layout"]) and considered


def entries(of: str = SERVICE, root: Path = ROOT) -> list[Entry]:
    """What a service may get, or the root of a monorepo, or what sums up its folders, in the order of the file."""
    listed: dict[str, dict[str, Any]] = yaml.safe_load((root / FILE).read_text())[of]
    return [
        Entry(path, **{**facts, "considerations": tuple(facts.get("considerations", ()))})
        for path, facts in listed.items()
    ]


def expected(answers: Mapping[str, Any]) -> set[str]:
    """What Copier writes for the answers as it stores them."""
    if answers["layout"] == MONOREPO:
        return {entry.path for entry in entries(MONOREPO)}
    return {entry.named(answers["service_name"]) for entry in entries() if entry.comes_with(answers)}


def collapsed(paths: set[str]) -> set[str]:
    """The paths of files, with a folder that the manifest describes as one thing instead of what is in it."""
    folders = sorted((entry.path for entry in entries() if entry.path.endswith("/")), key=len, reverse=True)
    return {next((folder for folder in folders if path.startswith(folder)), path) for path in paths}
