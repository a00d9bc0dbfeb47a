"""A real image builder makes the image of the generated Dockerfile, also where no network is reached.

Its base images are stand-ins: this machine's Go with the few programs that the build calls, and an empty one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.toolchain.command import run
from dev.toolchain.install import search_path
from tests.engine.test_build import NEEDED

pytestmark = pytest.mark.slow

# The goal is 16 MB on an empty base, as a registry counts.
LARGEST_IMAGE = 16_000_000
GO = "localhost/golang:machine"


def libraries(program: Path) -> set[Path]:
    listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=False).stdout
    return {Path(word) for word in listed.split() if word.startswith("/")}


@pytest.fixture(scope="module")
def buildah(tmp_path_factory) -> Iterator[Callable]:
    """buildah("images"): the program, with storage of its own and without asking for rights that a container lacks."""
    program = shutil.which("buildah")
    if not program:
        pytest.skip("this machine has no buildah")
    folder = tmp_path_factory.mktemp("buildah")
    storage = ("--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs")
    (folder / "tmp").mkdir()

    def buildah(command: str, *arguments: str | Path, cwd: Path = folder):
        isolation = ("--isolation", "chroot") if command in ("bud", "run") else ()
        return run(
            *(program, *storage, command, *isolation, *arguments),
            cwd=cwd,
            env={"TMPDIR": str(folder / "tmp")},
            timeout=900,
        )

    yield buildah
    buildah("rm", "--all")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def golang(buildah, tmp_path_factory) -> str:
    """An image with this machine's Go and the programs that build.sh calls."""
    context = tmp_path_factory.mktemp("golang")
    root = context / "root"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir(mode=0o1777)
    for name in NEEDED:
        program = Path(shutil.which(name, path=search_path())).resolve()
        shutil.copy(program, root / "bin" / name)
        for library in libraries(program):
            target = root / library.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    go = run("go", "env", "GOROOT", cwd=context).stdout.strip()
    for part in ("bin", "pkg", "src", "go.env", "VERSION"):
        target = root / "usr/local/go" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (Path(go) / part).is_dir() else shutil.copy)(Path(go) / part, target)
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local\n"
    )
    built = buildah("bud", "--layers=false", "--tag", GO, context)
    assert built.returncode == 0, built.stderr
    return GO


@pytest.fixture
def image(buildah, golang) -> Callable:
    """image(service, GOPROXY="off"): the image's name."""

    def image(service: Path, *options: str, **arguments: str) -> str:
        given = {"GO_IMAGE": golang, "RUNTIME_IMAGE": "scratch", "VERSION": "1.2.3", **arguments}
        built = buildah(
            *("bud", "--layers=false", "--tag", "localhost/migration", "--file", "migrations.Dockerfile"),
            *(f"--build-arg={name}={value}" for name, value in given.items()),
            *(*options, "."),
            cwd=service,
        )
        assert built.returncode == 0, built.stderr
        return "localhost/migration"

    return image


def require_good(buildah, name: str) -> None:
    described = json.loads(buildah("inspect", "--type", "image", name).stdout)
    settings = described["OCIv1"]["config"]
    assert (settings["User"], settings["Entrypoint"]) == ("65532:65532", ["/usr/local/bin/migrate"])
    assert settings["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert sum(layer["size"] for layer in json.loads(described["Manifest"])["layers"]) < LARGEST_IMAGE
    container = buildah("from", name).stdout.strip()
    helped = buildah("run", container, "/usr/local/bin/migrate", "--help")
    assert (helped.returncode, "migrate" in helped.stdout) == (0, True), helped.stderr


def test_image_is_small_and_runs(buildah, image, generate):
    downloads = Path(run("go", "env", "GOMODCACHE", cwd=Path("/")).stdout.strip()) / "cache/download"
    require_good(buildah, image(generate(), f"--volume={downloads}:/proxy:ro", GOPROXY="file:///proxy"))


def test_image_is_built_without_any_proxy_of_what_was_carried_in(buildah, image, generate):
    service = generate()
    carried = run("sh", "tools/migrate/build.sh", "--vendor", cwd=service, timeout=600)
    assert carried.returncode == 0, carried.stderr
    require_good(buildah, image(service, GOPROXY="off"))
