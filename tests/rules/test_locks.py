"""Every download is checked against a hash, and no lock says where to download from."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from dev.toolchain.install import LOCKS, ROOT

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
REQUIREMENTS = [f"dev/lock/{group}.txt" for group in GROUPS]
PACKAGE_LOCKS = sorted(LOCKS.glob("npm/*/package-lock.json"))
GO_MODULES = [ROOT / "engine", *sorted(path.parent for path in LOCKS.glob("*/go.mod"))]


@pytest.mark.parametrize("requirements", REQUIREMENTS)
def test_every_python_package_is_pinned_with_a_hash(requirements):
    logical_lines = (ROOT / requirements).read_text().replace("\\\n", "").splitlines()
    packages = [line for line in logical_lines if line and not line.lstrip().startswith("#")]
    assert packages
    for package in packages:
        assert re.match(r"[a-z0-9-]+(\[[a-z]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", package), package


@pytest.mark.parametrize("package_lock", PACKAGE_LOCKS, ids=lambda path: path.parent.name)
def test_every_npm_package_is_pinned_with_a_hash(package_lock):
    packages = json.loads(package_lock.read_text())["packages"]
    assert len(packages) > 1
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize("module", GO_MODULES, ids=lambda folder: folder.name)
def test_every_go_module_has_its_hashes(run, module):
    verified = run("go", "mod", "download", cwd=module, env={"GOFLAGS": "-mod=readonly"})
    assert verified.returncode == 0, verified.stderr
    assert (module / "go.sum").stat().st_size > 0


@pytest.mark.parametrize(
    "lock", [*map(ROOT.joinpath, REQUIREMENTS), *PACKAGE_LOCKS], ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_no_lock_records_an_address(lock: Path):
    text = lock.read_text()
    assert "://" not in text
    assert '"resolved"' not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
