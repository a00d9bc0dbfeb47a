"""What installs the tools chooses the oldest Python that will do, and says in one sentence what it lacks."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from dev.toolchain import install, postgres

SCRIPT = install.ROOT / "dev/toolchain/python.sh"


def pretend(folder: Path, name: str, version: str) -> None:
    """A Python that says that it is another one, and else is this one."""
    folder.mkdir(exist_ok=True)
    number = "".join(f"{int(part):03}" for part in version.split(".")).lstrip("0")
    python = folder / name
    python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {number}; else echo {version}; fi\n')
    python.chmod(0o755)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["3.13.0"], "3.13.0"),
        (["3.14.1", "3.11.0", "3.12.4"], "3.11.0"),
        (["3.10.9", "3.11.2"], "3.11.2"),
        (["3.9.1", "3.12.0", "3.11.7", "3.11.2"], "3.11.2"),
    ],
)
def test_the_oldest_python_that_is_new_enough_runs_it(run, tmp_path, there, chosen):
    for place, version in enumerate(there):
        pretend(tmp_path / str(place), "python3" if place % 2 else f"python{version.rpartition('.')[0]}", version)
    path = ":".join(str(tmp_path / str(place)) for place in range(len(there)))
    result = run("/bin/sh", SCRIPT, "script", cwd=tmp_path, env={"PATH": path})
    assert (result.stdout, result.returncode) == (f"{chosen}\n", 0), result.stderr


@pytest.mark.parametrize("there", [[], ["3.10.9"]])
def test_no_python_that_is_new_enough_is_one_sentence(run, tmp_path, there):
    for version in there:
        pretend(tmp_path, "python3", version)
    result = run("/bin/sh", SCRIPT, "script", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert re.fullmatch(r"No Python 3\.11 or newer .*: install one, .*\n", result.stderr)


def test_a_program_that_no_package_brings_is_one_sentence():
    with pytest.raises(
        SystemExit, match=r"There is no no-such-program on the PATH, .*: install it, .*then try again\.$"
    ):
        install._require("no-such-program")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("#!/no/such/loader\n", "initdb: No such file or directory"),
        ("#!/bin/sh\nexit 127\n", "initdb: exit status 127"),
    ],
)
def test_a_server_that_does_not_run_here_is_one_sentence_and_leaves_nothing(program, reason, tmp_path, monkeypatch):
    initdb = tmp_path / "native/bin/initdb"
    initdb.parent.mkdir(parents=True)
    initdb.write_text(program)
    initdb.chmod(0o755)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(install, "postgres", lambda major: initdb.parents[1])
    monkeypatch.setattr(postgres, "unprivileged_account", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with pytest.raises(
        SystemExit, match=rf"^PostgreSQL 15 .* does not run on this machine \(.*{reason}\): .* to mend\.$"
    ):
        postgres.Server("15")
    assert not [*temporary.glob("postgres-15-*")]
