"""What an update would do, found out beside the service: two renders and a merge of git's, and not one file touched."""

import os
import subprocess
from pathlib import Path

from avion_template.checkout import Checkout, git
from avion_template.render import render
from avion_template.workers import workers

# The blob of each file, with its mode.
Tree = dict[str, str]
# In the order of how much a person has to look at them.
CLASSES = ("would-lose-edits", "conflict", "merged", "clean", "new", "deleted")


def plan(checkout: Checkout, target: str) -> dict[str, str]:
    """The class of each file that the update to the target would touch."""
    with workers(2) as (pool, scratch):
        store = Store(checkout, Path(scratch) / "objects")
        folders = list(pool.map(render, [checkout] * 2, (checkout.version, target), (scratch,) * 2))
        base, new = (store.tree(folder) for folder in folders)
        ours = checkout.git("rev-parse", f"HEAD:{checkout.prefix}").strip()
        conflicts = store.conflicts(base, ours, new)
        before, now, after = (store.files(tree) for tree in (base, ours, new))
    return classify(before, now, after, conflicts)


def classify(before: Tree, now: Tree, after: Tree, conflicts: set[str]) -> dict[str, str]:
    found = dict.fromkeys(conflicts, "conflict")
    for path in before.keys() | after.keys():
        old, own, new = before.get(path), now.get(path), after.get(path)
        if new in (old, own) or (own is None and old is not None):
            # It is as it shall be, or the service has deleted it, which Copier respects whatever the template made of it.
            found.pop(path, None)
        elif new is None:
            found[path] = "deleted" if own == old else "would-lose-edits"
        elif old is None and own is None:
            found[path] = "new"
        elif path not in found:
            found[path] = "clean" if own == old else "merged"
    return dict(sorted(found.items(), key=lambda entry: (CLASSES.index(entry[1]), entry[0])))


class Store:
    """Git objects beside the service's own, which are read and not added to."""

    def __init__(self, checkout: Checkout, folder: Path) -> None:
        objects = checkout.git("rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
        folder.mkdir(parents=True)
        self.folder = checkout.folder
        self.variables = {
            "GIT_OBJECT_DIRECTORY": str(folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
            "GIT_INDEX_FILE": str(folder.parent / "index"),
            **{f"GIT_{who}_{what}": "avion-template" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        self.top = checkout.git("rev-parse", "--show-toplevel").strip()
        self.git_directory = checkout.git("rev-parse", "--absolute-git-dir").strip()

    def git(self, *arguments: str | Path, work_tree: Path | None = None) -> str:
        # Said outright, so that git neither looks for the work tree nor asks what the service's rules ignore.
        places = (f"--git-dir={self.git_directory}", f"--work-tree={work_tree or self.top}")
        return git(*places, *arguments, cwd=work_tree or Path(self.top), **self.variables)

    def tree(self, folder: Path) -> str:
        Path(self.variables["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        self.git("add", "--all", "--force", ".", work_tree=folder)
        return self.git("write-tree").strip()

    def files(self, tree: str) -> dict[str, str]:
        entries = (line.split("\t", 1) for line in self.git("ls-tree", "-r", "-z", tree).split("\0")[:-1])
        return {path: mode_and_blob for mode_and_blob, path in entries}

    def conflicts(self, base: str, ours: str, theirs: str) -> set[str]:
        ancestor = self.git("commit-tree", base, "-m", "base").strip()
        sides = [self.git("commit-tree", tree, "-p", ancestor, "-m", "side").strip() for tree in (ours, theirs)]
        ended = subprocess.run(
            [
                "git",
                f"--git-dir={self.git_directory}",
                "merge-tree",
                "--write-tree",
                "--name-only",
                "--no-messages",
                "-z",
                *sides,
            ],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode not in (0, 1):
            raise RuntimeError(ended.stderr)
        return set(ended.stdout.split("\0")[1:-1])
