"""Runs commands as a developer's shell would, without what this process's own environment adds."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.toolchain.install import search_path

# What make, the engine, libpq, goose or a parent make would read.
_FOREIGN = re.compile(
    r"(DB|PG|GOOSE|MIGRATION|COMPOSE|DOCKER|MAKE|MFLAGS|GNUMAKE|VIRTUAL_ENV|PYTHON|PYTEST)[A-Z_]*"
    r"|ENVIRONMENT|CONFIRM|RECIPE|STEP|NAME|BLOCK|BASE|JOB|LOG_FORMAT|VERSION|SQUAWK|CI|GITHUB_ACTIONS|GITHUB_STEP_SUMMARY|BUILD_NUMBER"
)


def environment(*extras: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    clean |= {"PATH": search_path(), "GOTOOLCHAIN": "local"}
    for extra in extras:
        clean |= extra
    return clean


def run(
    *command: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    feed: str | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Runs a command that has no terminal and reads what `feed` says; the result says its status and what it wrote."""
    standard_input = {"stdin": subprocess.DEVNULL} if feed is None else {"input": feed}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(env or {}),
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        **standard_input,
    )
