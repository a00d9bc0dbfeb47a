"""The engine completes its commands and flags in the shells that people use, and writes in no colour."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from dev.toolchain.command import environment
from tests.conftest import ENGINE


def test_every_command_is_completed(service, run):
    folder = service()
    listed = re.findall(r"^  ([a-z-]+)  *[A-Z]", run(ENGINE, "--help", cwd=folder).stdout, re.MULTILINE)
    completed = run(ENGINE, "__complete", "", cwd=folder).stdout
    assert {"up", "down", "completion"} <= set(listed)
    assert {line.partition("\t")[0] for line in completed.splitlines() if "\t" in line} == set(listed)
    assert "--json" in run(ENGINE, "__complete", "status", "--", cwd=folder).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_for_the_shell(service, run, shell):
    script = run(ENGINE, "completion", shell, cwd=service())
    assert script.returncode == 0
    assert f"{shell} completion" in script.stdout
    if shell == "bash":
        assert run("bash", "-n", cwd=service(), feed=script.stdout).returncode == 0


def test_no_colour_even_on_a_terminal(service, database):
    folder = service()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [ENGINE, "up"], cwd=folder, env=environment(database, {"TERM": "xterm-256color"}), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"1 migration applied" in said
    assert b"\x1b" not in said
