"""Where a template is: what git asks, and the page on which people read it. hooks/address.jinja reads the same forms."""

import re
from pathlib import Path

# Copier's own short names: https://copier.readthedocs.io/en/stable/generating/
_SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


def repository(source: str) -> str:
    """What git is asked for a `_src_path`, as Copier asks it."""
    address = _expanded(source)
    if source.startswith(tuple(_SHORT)):
        return f"{address.removesuffix('.git')}.git"
    return str(Path(address).expanduser()) if address.startswith("~") else address


def page(source: str) -> str | None:
    """The web page of a `_src_path`, without user and password; None for a folder, which has no page."""
    address = _expanded(source)
    web = re.fullmatch(r"https?://(?:[^/]*@)?([^/@]+)/(.+)", address)
    other = re.fullmatch(r"ssh://(?:[^/]*@)?([^/@:]+)(?::\d+)?/(.+)", address) or re.fullmatch(
        r"[\w.-]+@([\w.-]+):(.+)", address
    )
    found = web or other
    if not found:
        return None
    scheme = "http" if address.startswith("http://") else "https"
    host, path = found.groups()
    path = path.strip("/").removesuffix(".git").rstrip("/")
    return f"{scheme}://{host}/{path}" if path else None


def _expanded(source: str) -> str:
    for short, host in _SHORT.items():
        if source.startswith(short):
            return host + source.removeprefix(short).removeprefix("/")
    return source.removeprefix("git+")
