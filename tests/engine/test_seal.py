"""Services hold exactly the engine that stands in engine/: `make engine` makes the same bytes of it every time."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import pytest

from dev.release.__main__ import RefusedError, require_seal
from dev.seal import ENGINE, SERVICE, number, outdated, sealed
from dev.toolchain.install import ROOT


@pytest.fixture
def tree(tmp_path) -> Path:
    """The parts of this repository that sealing reads and writes."""
    for folder in (ENGINE, SERVICE):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = [folder / "go.mod", folder / "go.sum", *(folder / "engine").rglob("*")]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture
def seal(run):
    """seal(tree, "0.3.0"): the whole version under which the engine of that tree is sealed."""

    def seal(tree: Path, version: str) -> str:
        made = run("go", "run", ".", tree / ENGINE, tree / SERVICE, number(version), cwd=ROOT / "dev/seal")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    return seal


def test_main_seals_what_stands_in_engine(git):
    if not os.environ.get("CI") and git("branch", "--show-current", cwd=ROOT).strip() != "main":
        pytest.skip("on a branch the seal may lag behind: main and releases are held to it")
    assert outdated() == []


def test_the_same_engine_is_sealed_to_the_same_bytes(seal, tree):
    version = seal(tree, "0.3.0-dev")
    first = contents(tree / SERVICE)
    for file in (tree / ENGINE).rglob("*"):
        os.utime(file, (0, 0))
    assert seal(tree, "0.3.0-dev") == version
    assert contents(tree / SERVICE) == first


def test_another_engine_gets_another_name_until_it_is_released(seal, tree):
    before = seal(tree, "0.3.0-dev")
    source = tree / ENGINE / "cmd/migrate/main.go"
    source.write_text(source.read_text() + "\n// Changed.\n")
    assert outdated(tree) == ["cmd/migrate/main.go"]
    after = seal(tree, "0.3.0-dev")
    assert before != after
    assert outdated(tree) == []
    assert [name for name in contents(tree / SERVICE) if before in name] == []
    assert before not in (tree / SERVICE / "go.mod").read_text() + (tree / SERVICE / "go.sum").read_text()


def test_tests_and_what_they_read_are_not_sealed(seal, tree):
    (tree / ENGINE / "internal/lint/testdata").mkdir(exist_ok=True)
    (tree / ENGINE / "internal/lint/testdata/case.sql").write_text("SELECT 1;\n")
    seal(tree, "0.3.0")
    kept = sealed(tree)
    assert kept.version == "v0.3.0"
    assert [path for path in kept.files if path.endswith("_test.go") or "test/" in path or "testdata/" in path] == []
    assert outdated(tree) == []


def test_only_an_engine_sealed_for_the_release_is_released(seal, tree):
    with pytest.raises(RefusedError, match=r"sealed as v0\.3\.0-dev\..*: run make engine VERSION=0\.3\.0"):
        require_seal("0.3.0", tree)
    seal(tree, "0.3.0")
    require_seal("0.3.0", tree)
    source = tree / ENGINE / "cmd/migrate/main.go"
    source.unlink()
    with pytest.raises(RefusedError, match=r"1 of its files are not as in engine/"):
        require_seal("0.3.0", tree)


def test_the_engine_follows_the_template_past_its_second_major_version(seal, tree, run):
    assert [number(version) for version in ("0.3.0", "1.12.0", "2.0.0", "2.3.4-dev")] == [
        *("v0.3.0", "v1.12.0", "v1.2000.0", "v1.2003.4-dev")
    ]
    # Go's cache holds what a version was before the engine changed.
    version = f"2.0.{secrets.randbelow(10**6)}"
    seal(tree, version)
    require_seal(version, tree)
    built = run("sh", tree / SERVICE / "build.sh", cwd=tree)
    assert built.returncode == 0, built.stderr


def test_go_has_nothing_to_add_to_what_pins_the_engine(generate, run):
    module = generate() / "tools/migrate"
    proxies = {"GOPROXY": f"file://{module}/engine,{run('go', 'env', 'GOPROXY', cwd=module).stdout.strip()}"}
    tidy = run("go", "mod", "tidy", "-diff", cwd=module, env={**proxies, "GONOSUMDB": "avion.internal/*"})
    assert (tidy.returncode, tidy.stdout) == (0, ""), tidy.stderr
