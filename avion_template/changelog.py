"""CHANGELOG.md of the template: https://keepachangelog.com/en/1.1.0/"""

import re
import tempfile
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

from avion_template.address import repository
from avion_template.checkout import RefusedError, git

FILE = "CHANGELOG.md"


def sections(text: str) -> dict[str, str]:
    """The text below each version's heading, newest first; "Unreleased" is the first."""
    parts = re.split(r"^## \[(.+?)\].*\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def between(text: str, old: str, new: str) -> str:
    """What stands under the versions after the old one, up to the new one; everything up to it if the old is no version."""
    found = []
    after, until = _version(old), _version(new)
    for name, section in sections(text).items():
        version = _version(name)
        if version and version <= (until or version) and not (after and version <= after):
            found.append(f"{name}\n\n{section.strip()}")
    # In a commit's message git takes a line with # for a comment as soon as a person edits it.
    return re.sub(r"^#+ (.*)$", r"\1:", "\n\n".join(found), flags=re.MULTILINE)


@cache
def read(source: str, scratch: str) -> str:
    """The file as it is today, because a tag does not know the date of its release yet; nothing where there is none."""
    folder = f"--git-dir={tempfile.mkdtemp(dir=scratch)}"
    try:
        git(folder, "init", "--quiet", "--bare", cwd=Path())
        git(folder, "fetch", "--quiet", "--depth=1", repository(source), "HEAD", cwd=Path())
        return git(folder, "show", f"FETCH_HEAD:{FILE}", cwd=Path())
    except RefusedError:
        return ""


def _version(name: str) -> Version | None:
    try:
        return Version(name)
    except InvalidVersion:
        return None
