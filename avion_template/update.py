"""Updates many services, each on a branch of its own. Whoever ends it at whatever moment, no service is ever half updated."""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from avion_template.checkout import ANSWERS, Checkout, RefusedError, git
from avion_template.preview import render
from avion_template.workers import workers


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one service."""

    folder: Path
    state: str  # current, updated, there (already), conflict, failed
    detail: str

    @property
    def well(self) -> bool:
        return self.state not in ("conflict", "failed")


def branch_of(checkout: Checkout, target: str) -> str:
    """One for each service: those of a monorepo share a repository."""
    return f"avion-template/{checkout.prefix}{target}"


def update_all(checkouts: list[Checkout], targets: list[str], count: int, waves: Iterable[int]) -> Iterator[Outcome]:
    """Updates so many at once, one wave after the other, and begins none after one in which something went wrong."""
    rest = list(zip(checkouts, targets, strict=True))
    with workers(count) as (pool, scratch):
        for size in [*waves, len(rest)]:
            wave, rest = rest[:size], rest[size:]
            outcomes = []
            for outcome in pool.map(update, *zip(*wave, strict=True), [scratch] * len(wave)) if wave else ():
                outcomes.append(outcome)
                yield outcome
            if rest and not all(outcome.well for outcome in outcomes):
                yield Outcome(
                    Path(), "failed", f"not begun: {len(rest)} of the services: solve what is above, and run again."
                )
                return


def update(checkout: Checkout, target: str, scratch: str) -> Outcome:
    """Updates a clone of the service; the branch appears in the service at the end, as a whole."""
    if checkout.version == target:
        return Outcome(checkout.folder, "current", target)
    try:
        branch = branch_of(checkout, target)
        there = checkout.git(
            "for-each-ref", "--format=%(refname:short)", f"refs/heads/{branch}", f"refs/heads/{branch}-conflict"
        )
        if there:
            return Outcome(checkout.folder, "there", there.strip())
        clone = Path(tempfile.mkdtemp(dir=scratch)) / "clone"
        try:
            return _update_in(clone, checkout, target, branch, scratch)
        finally:
            shutil.rmtree(clone.parent, ignore_errors=True)
    except Exception as error:
        return Outcome(checkout.folder, "failed", " ".join(str(error).split()) or type(error).__name__)


def _update_in(clone: Path, checkout: Checkout, target: str, branch: str, scratch: str) -> Outcome:
    from copier import run_update  # Only now: the place of the cache is read on import.

    top, prefix = Path(checkout.git("rev-parse", "--show-toplevel").strip()), checkout.prefix
    git("clone", "--quiet", "--shared", "--no-tags", top, clone, cwd=top)
    if not (clone / prefix / ANSWERS).exists():
        raise RefusedError(f"{ANSWERS} is not committed: commit it and run again.")
    options = {"defaults": True, "skip_answered": True, "overwrite": True, "unsafe": False, "quiet": True}
    run_update(clone / prefix, vcs_ref=target, **options)
    trouble = {line.split("\t")[1] for line in _git_lines(clone, "ls-files", "--unmerged", "-z")}
    git("add", "--all", cwd=clone)
    trouble |= _bring_back(clone, checkout, prefix, scratch)
    if not git("status", "--porcelain", cwd=clone):
        return Outcome(checkout.folder, "current", target)
    if trouble:
        branch += "-conflict"
    git(
        "commit",
        "--quiet",
        "--no-verify",
        "--message",
        f"Update the migration template to {target}",
        cwd=clone,
        **_person(checkout),
    )
    git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", clone, f"HEAD:refs/heads/{branch}", cwd=top)
    if trouble:
        return Outcome(checkout.folder, "conflict", f"{branch}: {', '.join(sorted(trouble))}")
    return Outcome(checkout.folder, "updated", branch)


def _bring_back(clone: Path, checkout: Checkout, prefix: str, scratch: str) -> set[str]:
    """Copier deletes what the template no longer has, edited or not; what the service has edited comes back."""
    gone = _git_lines(clone, "diff", "--cached", "--no-renames", "--name-only", "--diff-filter=D", "-z")
    if not gone:
        return set()
    as_generated = render(checkout, checkout.version, scratch)
    edited = set()
    for path in gone:
        own = git("cat-file", "blob", f"HEAD:{path}", cwd=clone)
        generated = as_generated / path.removeprefix(prefix)
        if not generated.exists() or generated.read_bytes().decode(errors="replace") != own:
            git("checkout", "--quiet", "HEAD", "--", path, cwd=clone)
            edited.add(path)
    return edited


def _git_lines(folder: Path, *arguments: str) -> list[str]:
    return git(*arguments, cwd=folder).split("\0")[:-1]


def _person(checkout: Checkout) -> dict[str, str]:
    """The one who commits in the service, whose own settings the clone does not have."""
    name, address = re.match(r"(.*) <(.*)> ", checkout.git("var", "GIT_COMMITTER_IDENT")).groups()
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", address))
    }
