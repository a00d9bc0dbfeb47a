"""A generated service in its git repository, and the template that it came from."""

import dataclasses
import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from packaging.version import InvalidVersion, Version

from avion_template.address import repository

ANSWERS = ".copier-answers.yml"


class RefusedError(Exception):
    """What was found, the rule, and the next step, in one sentence."""


@dataclasses.dataclass(frozen=True)
class Checkout:
    """The folder of a service: the top of its repository, or a folder in a monorepo."""

    folder: Path
    answers: Mapping[str, object] = dataclasses.field(hash=False)

    @classmethod
    def read(cls, folder: Path) -> "Checkout":
        try:
            answers = yaml.load((folder / ANSWERS).read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except (OSError, yaml.YAMLError):
            answers = None
        if not isinstance(answers, dict) or not {"_src_path", "_commit"} <= answers.keys():
            raise RefusedError(f"{folder} holds no {ANSWERS} that can be read: name the folder of a generated service.")
        return cls(folder, answers)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def source(self) -> str:
        return str(self.answers["_src_path"])

    @property
    def version(self) -> str:
        return str(self.answers["_commit"])

    @property
    def given(self) -> dict[str, object]:
        """The answers without what Copier keeps for itself."""
        return {name: value for name, value in self.answers.items() if not name.startswith("_")}

    @property
    def prefix(self) -> str:
        """The way from the top of the repository to the service, empty at the top."""
        return self.git("rev-parse", "--show-prefix").strip()

    @property
    def top(self) -> Path:
        return Path(self.git("rev-parse", "--show-toplevel").strip())

    def committed(self) -> dict[str, str]:
        """Git's name for the content of each committed file."""
        try:
            entries = self.git("ls-tree", "-r", "-z", "HEAD").split("\0")[:-1]
        except RefusedError:
            entries = []
        files = {path: entry.split()[2] for entry, path in (line.split("\t", 1) for line in entries)}
        if ANSWERS not in files:
            raise RefusedError(f"{self.folder} has never committed {ANSWERS}: commit the service first.")
        return files

    def git(self, *arguments: str | Path, **options: Any) -> str:
        return git(*arguments, cwd=self.folder, **options)


def git(*arguments: str | Path, cwd: Path, feed: str | None = None, **variables: str) -> str:
    ended = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **variables},
        **({"stdin": subprocess.DEVNULL} if feed is None else {"input": feed}),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        # A program that git calls says why before git says that it failed; what gpg says for machines is left out.
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip() and not line.startswith("[GNUPG:]")]
        command = next(argument for argument in map(str, arguments) if not argument.startswith("-"))
        reason = re.sub(r"://[^/\s]*@", "://", " / ".join(said)) or "it said nothing"
        raise RefusedError(f"git {command} failed in {cwd} ({reason}): solve that and run again.")
    return ended.stdout


@cache
def releases(source: str) -> dict[str, str]:
    """The released tags of a template and git's name for each, oldest first, without pre-releases. Asked once a run."""
    known = {}
    for line in git("ls-remote", "--tags", "--refs", repository(source), cwd=Path()).splitlines():
        name, _, tag = line.partition("\trefs/tags/")
        try:
            version = Version(tag)
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            known[version] = (tag, name)
    if not known:
        raise RefusedError(f"{source} has no released version: correct _src_path in {ANSWERS}.")
    return dict(known[version] for version in sorted(known))


def behind(checkout: Checkout) -> int | None:
    """How many releases came after the service's, None for a version that was never released."""
    known = list(releases(checkout.source))
    return len(known) - 1 - known.index(checkout.version) if checkout.version in known else None
