"""Updates many services, each on a branch of its own or those of a repository on one. Whoever ends it at whatever moment,
no service is ever half updated: a branch appears in a repository when it is complete.
"""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from avion_template import changelog
from avion_template.checkout import ANSWERS, Checkout, RefusedError, git
from avion_template.render import written
from avion_template.workers import workers

BRANCHES = "avion-template"
_COPIER = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Copier"), ("EMAIL", "copier@copier"))
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one service."""

    folder: Path
    state: str  # current, updated, there (already), conflict, failed
    detail: str

    @property
    def well(self) -> bool:
        return self.state not in ("conflict", "failed")


@dataclasses.dataclass(frozen=True)
class Change:
    """What Copier made of one service, in a repository of its own that is thrown away once a branch has it."""

    checkout: Checkout
    target: str
    top: Path
    prefix: str
    # The commit of the service's repository that was updated, which the branch follows.
    head: str
    repository: Path
    # As git reads it on the standard input of update-index.
    index: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    # What the service has edited, too: merged, or in conflict.
    merged: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def branch(self) -> str:
        return branch_of(self.prefix, self.target) + ("-conflict" if self.conflicts else "")

    @property
    def name(self) -> str:
        return self.prefix.rstrip("/") or self.checkout.name


def branch_of(prefix: str, target: str) -> str:
    """One for each service: those of a monorepo share a repository."""
    return f"{BRANCHES}/{prefix}{target}"


def update_all(checkouts: list[Checkout], targets: list[str], count: int, waves: Iterable[int]) -> Iterator[Outcome]:
    """Updates so many at once, one wave after the other, and begins none after one in which something went wrong."""
    rest = list(zip(checkouts, targets, strict=True))
    with workers(count) as (pool, scratch):
        for size in [*waves, len(rest)]:
            wave, rest = rest[:size], rest[size:]
            outcomes = []
            for result in _results(pool, wave, scratch, together=False):
                outcomes.append(published([result], scratch) if isinstance(result, Change) else result)
                yield outcomes[-1]
            if rest and not all(outcome.well for outcome in outcomes):
                yield Outcome(
                    Path(), "failed", f"not begun: {len(rest)} of the services: solve what is above, and run again."
                )
                return


def update_together(checkouts: list[Checkout], targets: list[str], count: int) -> Iterator[Outcome]:
    """The same with one branch for all services of a repository that had no conflict."""
    with workers(count) as (pool, scratch):
        results = list(_results(pool, list(zip(checkouts, targets, strict=True)), scratch, together=True))
        shared: dict[tuple[Path, str], list[Change]] = {}
        for result in results:
            if isinstance(result, Change) and not result.conflicts:
                shared.setdefault((result.top, result.target), []).append(result)
        outcomes = {key: published(changes, scratch) for key, changes in shared.items()}
        for result in results:
            if not isinstance(result, Change):
                yield result
            elif result.conflicts:
                yield published([result], scratch)
            else:
                yield dataclasses.replace(outcomes[result.top, result.target], folder=result.checkout.folder)


def _results(
    pool: ProcessPoolExecutor, wave: list[tuple[Checkout, str]], scratch: str, together: bool
) -> Iterator[Outcome | Change]:
    if wave:
        yield from pool.map(update, *zip(*wave, strict=True), [scratch] * len(wave), [together] * len(wave))


def update(checkout: Checkout, target: str, scratch: str, together: bool) -> Outcome | Change:
    """Lets Copier update a repository that holds nothing but the service."""
    if checkout.version == target:
        return Outcome(checkout.folder, "current", target)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        result = _there(checkout, target, together) or _update_in(folder / "service", checkout, target, scratch)
    except Exception as error:
        result = _failed(checkout, error)
    if not isinstance(result, Change):
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _there(checkout: Checkout, target: str, together: bool) -> Outcome | None:
    """The branch that holds the update already."""
    prefix = checkout.prefix
    own = branch_of(prefix, target)
    for branch in (own, f"{own}-conflict"):
        if _has(checkout, branch) and (prefix or not together or _reaches(checkout, branch, prefix, target)):
            return Outcome(checkout.folder, "there", branch)
    shared = branch_of("", target)
    if together and _has(checkout, shared):
        if _reaches(checkout, shared, prefix, target):
            return Outcome(checkout.folder, "there", shared)
        raise RefusedError(f"{shared} is there without this service: delete that branch to begin anew.")
    return None


def _has(checkout: Checkout, branch: str) -> bool:
    return bool(checkout.git("for-each-ref", f"refs/heads/{branch}"))


def _reaches(checkout: Checkout, branch: str, prefix: str, target: str) -> bool:
    """Does the branch hold the service in that version?"""
    try:
        answers = checkout.git("cat-file", "blob", f"{branch}:{prefix}{ANSWERS}")
    except RefusedError:
        return False
    return yaml.safe_load(answers).get("_commit") == target


def _update_in(folder: Path, checkout: Checkout, target: str, scratch: str) -> Outcome | Change:
    from copier import run_update  # Only now: the place of the cache is read on import.

    prefix, head = checkout.prefix, checkout.git("rev-parse", "HEAD").strip()
    base = _alone(folder, checkout, prefix, head)
    options: dict[str, Any] = {
        "defaults": True,
        "skip_answered": True,
        "overwrite": True,
        "unsafe": False,
        "quiet": True,
    }
    run_update(folder / prefix, vcs_ref=target, **options)
    conflicts = {line.split("\t")[1] for line in _lines(folder, "ls-files", "--unmerged", "-z")}
    # Nothing is there but what is committed and what Copier wrote, whatever a .gitignore says.
    git("add", "--all", "--force", cwd=folder)
    files = written(checkout, scratch)
    for old, _, path in _changes(folder, base, "D"):
        # Copier deletes what the template no longer has, edited or not; what the service has edited comes back.
        if old not in files.get(path.removeprefix(prefix), ()):
            git("checkout", "--quiet", base, "--", path, cwd=folder, GIT_LITERAL_PATHSPECS="1")
            conflicts.add(path)
    conflicts |= {path for _, _, path in _changes(folder, base, "A") if path.endswith(".rej")}
    index = tuple(f"{new}\t{path}" for _, new, path in _changes(folder, base, "AMTD"))
    if not index:
        return Outcome(checkout.folder, "current", target)
    modified = _changes(folder, base, "MT")
    return Change(
        *(checkout, target, checkout.top, prefix, head, folder, index),
        added=_relative(_changes(folder, base, "A"), prefix),
        changed=_relative(modified, prefix),
        deleted=_relative(_changes(folder, base, "D"), prefix),
        merged=_relative(
            [
                (old, new, path)
                for old, new, path in modified
                if path.removeprefix(prefix) != ANSWERS and old not in files.get(path.removeprefix(prefix), ())
            ],
            prefix,
        ),
        conflicts=tuple(sorted(conflicts)),
    )


def _alone(folder: Path, checkout: Checkout, prefix: str, head: str) -> str:
    """A repository with the service in its place and nothing of its neighbours, so that their number does not matter."""
    names = checkout.git("rev-parse", "--show-object-format").strip()
    git("init", "--quiet", "--template=", f"--object-format={names}", folder, cwd=checkout.folder)
    _borrow(folder / ".git", [_objects(checkout)])
    if ANSWERS not in checkout.committed():
        raise RefusedError(f"{ANSWERS} is not committed: commit it and run again.")
    if prefix:
        git("read-tree", f"--prefix={prefix}", f"{head}:{prefix}", cwd=folder)
    else:
        git("read-tree", head, cwd=folder)
        inside = _lines(folder, "ls-files", "-z", f":(glob)*/**/{ANSWERS}")
        services = [str(Path(file).parent) for file in inside]
        if services:
            git("rm", "-r", "--quiet", "--cached", "--", *services, cwd=folder, GIT_LITERAL_PATHSPECS="1")
    tree = git("write-tree", cwd=folder).strip()
    base = git("commit-tree", tree, "-m", "The service", cwd=folder, **_COPIER).strip()
    git("reset", "--quiet", "--hard", base, cwd=folder)
    return base


def _changes(folder: Path, base: str, kinds: str) -> list[tuple[str, str, str]]:
    """Of each changed file the old content, the new mode and content, and the path."""
    words = ("diff-index", "--cached", "--no-renames", "--raw", "--no-abbrev", "-z", f"--diff-filter={kinds}", base)
    fields = _lines(folder, *words)
    entries = (meaning.split() for meaning in fields[::2])
    return [(entry[2], f"{entry[1]} {entry[3]}", path) for entry, path in zip(entries, fields[1::2], strict=True)]


def _relative(changes: list[tuple[str, str, str]], prefix: str) -> tuple[str, ...]:
    return tuple(sorted(path.removeprefix(prefix) for _, _, path in changes))


def published(changes: list[Change], scratch: str) -> Outcome:
    """One commit with all of them, which the repository gets as a branch."""
    first = changes[0]
    branch = first.branch if len(changes) == 1 else branch_of("", first.target)
    try:
        _publish(changes, branch, scratch)
    except Exception as error:
        return _failed(first.checkout, error)
    finally:
        for change in changes:
            shutil.rmtree(change.repository.parent, ignore_errors=True)
    if first.conflicts:
        return Outcome(first.checkout.folder, "conflict", f"{branch}: {', '.join(first.conflicts)}")
    return Outcome(first.checkout.folder, "updated", branch)


def _publish(changes: list[Change], branch: str, scratch: str) -> None:
    checkout, top = changes[0].checkout, changes[0].top
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        store = Path(name)
        names = checkout.git("rev-parse", "--show-object-format").strip()
        git("init", "--quiet", "--bare", "--template=", f"--object-format={names}", store, cwd=top)
        _borrow(store, [_objects(checkout), *(change.repository / ".git/objects" for change in changes)])
        if len({change.head for change in changes}) > 1:
            raise RefusedError(f"somebody committed in {top} meanwhile: run again.")
        head = changes[0].head
        git("read-tree", head, cwd=store)
        lines = [line for change in changes for line in change.index]
        git("update-index", "-z", "--index-info", cwd=store, feed="".join(f"{line}\0" for line in lines))
        tree = git("write-tree", cwd=store).strip()
        # In the service's repository, whose settings say who commits and with which key, if it signs.
        signed = (
            ["-S"] if checkout.git("config", "--default=no", "--type=bool", "commit.gpgsign").strip() == "true" else []
        )
        commit = checkout.git(
            *("commit-tree", *signed, "-p", head, "-F", "-", tree),
            feed=message(changes, scratch),
            GIT_OBJECT_DIRECTORY=str(store / "objects"),
            **_author(checkout),
        ).strip()
        git("update-ref", "refs/heads/update", commit, cwd=store)
        ref = f"refs/heads/update:refs/heads/{branch}"
        git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", store, ref, cwd=top)


def _author(checkout: Checkout) -> dict[str, str]:
    """The one who commits in the service is the author, too."""
    ((name, address),) = re.findall(r"^(.*) <(.*)> ", checkout.git("var", "GIT_COMMITTER_IDENT"))
    return {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address}


# So many paths are named; a person looks up the rest in the commit.
_NAMED = 20


def message(changes: list[Change], scratch: str) -> str:
    """What the commit, and a pull request that takes its words, says: which service gets what, and the template's changelog."""
    target = changes[0].target
    parts = [f"Update the migration template to {target}"]
    for change in changes:
        counts = (("added", change.added), ("changed", change.changed), ("deleted", change.deleted))
        files = ", ".join(f"{len(paths)} {what}" for what, paths in counts if paths)
        part = [f"{change.name}, from {change.checkout.version}: files {files}."]
        part += _list("Merged with changes that the service made in the template's files", change.merged)
        part += _list("In conflict, for a person to decide", change.conflicts)
        parts.append("\n".join(part))
    for source, old in sorted({(change.checkout.source, change.checkout.version) for change in changes}):
        text = changelog.between(changelog.read(source, scratch), old, target)
        if text:
            parts.append(f"What the template says of it, after {old}:\n\n{text}")
    return "\n\n".join(parts) + "\n"


def _list(title: str, paths: tuple[str, ...]) -> list[str]:
    if not paths:
        return []
    rest = [f"- and {len(paths) - _NAMED} more"] if len(paths) > _NAMED else []
    return [f"{title}:", *(f"- {path}" for path in paths[:_NAMED]), *rest]


def _failed(checkout: Checkout, error: Exception) -> Outcome:
    return Outcome(checkout.folder, "failed", " ".join(str(error).split()) or type(error).__name__)


def _objects(checkout: Checkout) -> Path:
    return Path(checkout.git("rev-parse", "--path-format=absolute", "--git-path", "objects").strip())


def _borrow(repository: Path, objects: list[Path]) -> None:
    """Lets a repository read the objects of others."""
    information = repository / "objects/info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "alternates").write_text("".join(f"{folder}\n" for folder in objects))


def _lines(folder: Path, *arguments: str) -> list[str]:
    return git(*arguments, cwd=folder).split("\0")[:-1]
