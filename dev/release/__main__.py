"""`make release VERSION=x.y.z`: checks that the tip of main may be that version, and writes it down."""

import datetime
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.release import changelog
from dev.release.history import FILE, ROOT, Release, check_out, git, releases
from dev.release.interface import ACCEPTED, ANSWERS, breaking, read
from dev.seal import number, outdated, sealed

Answers = Mapping[str, dict[str, Any]]


class RefusedError(Exception):
    """Why this is no release, and what to do."""


def release(version: str, folder: Path, answers: Answers = ANSWERS, accepted: list[Any] = ACCEPTED) -> Release:
    """Records the tip of main as a version, in one commit on top of it."""
    commit = tip_of_main(folder)
    last = releases(folder)[-1]
    text = (folder / "CHANGELOG.md").read_text()
    try:
        demanded = changelog.demanded(text)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    step = successor(last.version, version)
    if changelog.STEPS.index(step) < changelog.STEPS.index(demanded):
        raise RefusedError(
            f"{version} is a {step} version after {last.version}, but CHANGELOG.md demands a {demanded} one: "
            "use its number."
        )
    require_seal(version, folder)
    require_number(version, folder)
    differences = differences_to(last, commit, folder, answers, accepted)
    if differences and demanded != "major":
        raise RefusedError(
            f"{'; '.join(differences)}: undo what breaks services, or write it under Breaking in CHANGELOG.md "
            "and release a major version."
        )
    made = Release(version, commit, datetime.datetime.now(datetime.UTC).date().isoformat())
    write_down(made, text, folder)
    return made


def tip_of_main(folder: Path) -> str:
    """The commit to release: it must be on main, here and where others have it."""
    branch = git("branch", "--show-current", cwd=folder).strip()
    if branch != "main":
        raise RefusedError(f'the branch is "{branch}", but releases are made of main: run git switch main.')
    if git("status", "--porcelain", cwd=folder):
        raise RefusedError("the work tree has changes that are not committed: commit or stash them.")
    commit = git("rev-parse", "HEAD", cwd=folder).strip()
    if git("remote", cwd=folder).split():
        git("fetch", "--quiet", "origin", "main", cwd=folder)
        if git("rev-parse", "FETCH_HEAD", cwd=folder).strip() != commit:
            raise RefusedError("main is not the same as origin's: pull or push, so that the commit keeps its name.")
    return commit


def require_seal(version: str, folder: Path) -> None:
    """Services get what is sealed, under the number of the release, and it must be what stands in engine/."""
    if sealed(folder).version != number(version) or outdated(folder):
        raise RefusedError(
            f"the engine is sealed as {sealed(folder).version}, and {len(outdated(folder))} of its files are not as in "
            f"engine/: run make engine VERSION={version} and commit it."
        )


def require_number(version: str, folder: Path) -> None:
    """Who installs `avion-template` from the release is told its number."""
    found = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
    if found != version:
        raise RefusedError(f"pyproject.toml says {found}: run make engine VERSION={version} and commit it.")


def successor(last: str, version: str) -> str:
    """The step from one version to the next. A number that no step leads to is refused."""
    if not re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version):
        raise RefusedError(f'VERSION is "{version}", but it must be three numbers: use one such as 1.2.3.')
    major, minor, patch = map(int, last.split("."))
    steps = {f"{major}.{minor}.{patch + 1}": "patch", f"{major}.{minor + 1}.0": "minor", f"{major + 1}.0.0": "major"}
    if version not in steps:
        raise RefusedError(f"{version} does not follow {last}: use {', '.join(steps)}.")
    return steps[version]


def differences_to(last: Release, commit: str, folder: Path, answers: Answers, accepted: list[Any]) -> list[str]:
    with tempfile.TemporaryDirectory() as trees:
        old, new = (
            read(check_out(folder, one, Path(trees) / name), answers, accepted)
            for one, name in ((last.commit, "old"), (commit, "new"))
        )
    return breaking(old, new)


def write_down(made: Release, text: str, folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text(changelog.released(text, made.version, made.date))
    with (folder / FILE).open("a") as listed:
        listed.write(f"- version: {made.version}\n  commit: {made.commit}\n  date: {made.date}\n")
    git("commit", "--quiet", "--all", "--message", f"Release {made.version}", cwd=folder)
    git("tag", made.tag, made.commit, cwd=folder)


if __name__ == "__main__":
    try:
        done = release(sys.argv[1] if len(sys.argv) > 1 else "", ROOT)
    except RefusedError as refused:
        sys.exit(f"No release: {refused}")
    print(f"{done.tag} is {done.commit}. Next:\n  git push origin main {done.tag}")
