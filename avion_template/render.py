"""What the template owns in a service: what Copier writes there and would write again, which a later copy does not skip."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from avion_template.checkout import ANSWERS, Checkout, releases

# How git names the content of a file: https://git-scm.com/docs/hash-function-transition
_ALGORITHMS = ("sha1", "sha256")

# The path of each owned file, and the names that its content has in git.
Written = dict[str, list[str]]


def render(checkout: Checkout, version: str, scratch: str) -> Path:
    """A folder with what the template owns in such a service, as this version of it writes it."""
    from copier import run_copy  # Only now: the place of the cache is read on import.

    # Some answers have the folder's name for a default.
    folder = Path(tempfile.mkdtemp(dir=scratch)) / checkout.name
    options: dict[str, Any] = {"defaults": True, "overwrite": True, "unsafe": False, "quiet": True}
    copier = run_copy(checkout.source, folder, data=checkout.given, vcs_ref=version, **options)
    for path in folder.rglob("*"):
        if path.is_file() and copier.match_skip(path.relative_to(folder)):
            path.unlink()
    return folder


def written(checkout: Checkout, scratch: str) -> Written:
    """What the service's version of the template has written there.

    For a release it is remembered in the user's cache: neither a tag nor what it writes for the same answers changes.
    """
    known = remembered(checkout)
    if known is not None:
        return known
    folder = render(checkout, checkout.version, scratch)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found = {name: _names(path.read_bytes()) for name, path in files.items() if name != ANSWERS}
    memory = _memory(checkout)
    if memory:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False) as new:
            json.dump(found, new)
        Path(new.name).replace(memory)
    return found


def remembered(checkout: Checkout) -> Written | None:
    """The same where it is known already, without Copier."""
    memory = _memory(checkout)
    try:
        return json.loads(memory.read_text()) if memory else None
    except (OSError, ValueError):
        return None


def _memory(checkout: Checkout) -> Path | None:
    release = releases(checkout.source).get(checkout.version)
    if not release:
        return None
    what = [release, checkout.source, checkout.name, checkout.given]
    name = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
    return user_cache_path("avion-template") / f"{name}.json"


def _names(content: bytes) -> list[str]:
    blob = b"blob %d\0" % len(content) + content
    return [hashlib.new(algorithm, blob, usedforsecurity=False).hexdigest() for algorithm in _ALGORITHMS]
