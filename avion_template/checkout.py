"""A generated service in its git repository, and the template that it came from."""

import dataclasses
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

ANSWERS = ".copier-answers.yml"
SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}

# What the template owns, as patterns of .gitignore and of git's :(glob). Everything else in a service is created once,
# or never was the template's.
OWNED = (
    ".goose.yml",
    ".env.example",
    "compose.migrations.yaml",
    "migrations.Dockerfile",
    "migrations.Dockerfile.dockerignore",
    "migrations.mk",
    "tools/migrate/**",
    "scripts/migration-*",
    "docs/migration-*.md",
    ".github/workflows/*-migration.yml",
    ".github/workflows/migrations.yml",
    "k8s/migrations/**",
    "monitoring/**/*-migration-*",
)


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

    def git(self, *arguments: str | Path, **variables: str) -> str:
        return git(*arguments, cwd=self.folder, **variables)

    def edited(self) -> list[str]:
        """The owned files that are not what the last copy or update committed."""
        last = self.git("log", "-1", "--format=%H", "--", ANSWERS).strip()
        if not last:
            raise RefusedError(f"{self.folder} has never committed {ANSWERS}: commit the service first.")
        owned = (f":(glob){pattern}" for pattern in OWNED)
        return self.git("diff", "--name-only", "--relative", "-z", last, "--", *owned).split("\0")[:-1]


def git(*arguments: str | Path, cwd: Path, **variables: str) -> str:
    ended = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        reason = ended.stderr.strip().splitlines() or ["it said nothing"]
        raise RefusedError(f"git {arguments[0]} failed in {cwd} ({reason[-1]}): solve that and run again.")
    return ended.stdout


@cache
def releases(source: str) -> list[str]:
    """The released tags of a template, oldest first, without pre-releases. Asked once for all services."""
    short = next((short for short in SHORT if source.startswith(short)), "")
    url = (
        SHORT[short] + source.removeprefix(short).removesuffix(".git") + ".git"
        if short
        else source.removeprefix("git+")
    )
    known = {}
    for line in git("ls-remote", "--tags", "--refs", url, cwd=Path()).splitlines():
        tag = line.partition("refs/tags/")[2]
        try:
            version = Version(tag)
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            known[version] = tag
    if not known:
        raise RefusedError(f"{source} has no released version: correct _src_path in {ANSWERS}.")
    return [known[version] for version in sorted(known)]


def behind(checkout: Checkout) -> int | None:
    """How many releases came after the service's, None for a version that was never released."""
    known = releases(checkout.source)
    return len(known) - 1 - known.index(checkout.version) if checkout.version in known else None
