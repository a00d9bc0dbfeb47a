"""The releases, as releases.yml lists them."""

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = "releases.yml"


class MissingCommitError(Exception):
    """The history does not reach back to a release."""


@dataclass(frozen=True)
class Release:
    """A version that services may come from, and the commit that made them."""

    version: str
    commit: str
    date: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def releases(folder: Path = ROOT) -> list[Release]:
    """Every release, newest last."""
    return [Release(**{**entry, "date": str(entry["date"])}) for entry in yaml.safe_load((folder / FILE).read_text())]


def tag(repository: Path, listed: list[Release]) -> None:
    """Tags each release in a clone. A tag that is there already must be on the same commit."""
    for release in listed:
        require(repository, release.commit)
        known = git("tag", "--list", release.tag, cwd=repository).strip()
        if known:
            where = git("rev-parse", f"{release.tag}^{{commit}}", cwd=repository).strip()
            assert where == release.commit, f"{release.tag} is on {where}, but {FILE} says {release.commit}"
        else:
            git("tag", release.tag, release.commit, cwd=repository)


def require(repository: Path, commit: str) -> None:
    """Refuses a history in which the commit is missing."""
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(command, cwd=repository, check=False, capture_output=True).returncode:
        raise MissingCommitError(
            f"{FILE} names {commit}, which is not in this clone's history: bring it with git fetch --unshallow."
        )


def check_out(repository: Path, commit: str, folder: Path) -> Path:
    """The files of a commit, without a repository around them, so that Copier reads them as they are."""
    require(repository, commit)
    archive = subprocess.run(["git", "archive", commit], cwd=repository, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # Python 3.11.4 brought the filter, which 3.14 uses by itself; what lies between warns without it.
        if hasattr(tarfile, "data_filter"):
            files.extraction_filter = staticmethod(tarfile.data_filter)
        files.extractall(folder)
    return folder


def git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, text=True, stdout=subprocess.PIPE).stdout
