"""This repository as its users meet it: published, tagged, and copied by the command of the README."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.toolchain.command import environment
from dev.toolchain.install import ROOT

URL = "https://github.com/org/avion-migration-template.git"
COPY = ("copier", "copy", "--defaults", "gh:org/avion-migration-template")


def git_configuration(file: Path, template: Path | None = None) -> dict[str, str]:
    """Variables under which git knows nobody's own settings and finds the published template on this machine."""
    sections = [
        "[user]\nname = Template\nemail = template@example.invalid",
        "[init]\ndefaultBranch = main",
        # The repository may belong to another account than ours, as in a container.
        "[safe]\ndirectory = *",
    ]
    if template:
        sections.append(f'[url "{template}"]\ninsteadOf = {URL}')
    file.write_text("\n".join([*sections, ""]))
    return {"GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "1"}


def publish(folder: Path) -> Path:
    """A bare clone of the work tree as it stands, uncommitted changes included, under a tag newer than any other."""
    work_tree = folder / "work-tree"
    git("clone", "--quiet", "--no-checkout", ROOT, work_tree, cwd=ROOT)
    lay_out(work_tree)
    return tagged(work_tree)


def lay_out(work_tree: Path) -> None:
    """Copies the files of this repository as they stand, those that git ignores left out."""
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
        source = ROOT / name
        if source.is_file() or source.is_symlink():
            target = work_tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def tagged(work_tree: Path) -> Path:
    """A bare clone in which all that stands in the folder is committed and tagged, in one pack as servers have it."""
    git("init", "--quiet", cwd=work_tree)
    git("add", "--all", cwd=work_tree)
    git("commit", "--quiet", "--allow-empty", "--message", "The work tree as it stands", cwd=work_tree)
    git("tag", "v9999.0.0", cwd=work_tree)
    template = work_tree.parent / "avion-migration-template.git"
    git("clone", "--quiet", "--bare", "--no-local", work_tree, template, cwd=work_tree.parent)
    return template


def git(*arguments: str | Path, cwd: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        variables = git_configuration(Path(folder) / "config")
        return subprocess.run(
            ["git", *arguments], cwd=cwd, env=environment(variables), check=True, text=True, stdout=subprocess.PIPE
        ).stdout
