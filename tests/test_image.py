"""The migration image holds a static engine and the SQL, and nothing that it does not need."""

import re
import shutil
from pathlib import Path

import pytest

# The goal is an image below 20 MB; its base has 2.
LARGEST_ENGINE = 17_000_000


def instructions(service: Path) -> list[tuple[str, str]]:
    text = (service / "migrations.Dockerfile").read_text().replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def final_stage(service: Path) -> list[tuple[str, str]]:
    lines = instructions(service)
    start = max(index for index, (name, _) in enumerate(lines) if name == "FROM")
    return lines[start:]


@pytest.fixture
def unpacked(generate, tmp_path) -> Path:
    """The image's working directory, from the COPY lines of its final stage."""
    service = generate()
    for name, arguments in final_stage(service):
        if name == "COPY" and "--from" not in arguments:
            *_, source, target = arguments.split()
            copy = shutil.copytree if (service / source).is_dir() else shutil.copy
            copy(service / source, tmp_path / target)
    return tmp_path


def test_base_images_are_pinned(generate):
    defaults = dict(line.split("=", 1) for name, line in instructions(generate()) if name == "ARG" and "=" in line)
    assert set(defaults) == {"GO_IMAGE", "RUNTIME_IMAGE"}
    for image in defaults.values():
        assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", image)


def test_container_runs_as_a_numbered_user_that_is_not_root(generate):
    assert dict(final_stage(generate()))["USER"] == "65532:65532"


def test_engine_is_the_process_and_gets_the_signals(generate):
    last = dict(final_stage(generate()))
    assert last["ENTRYPOINT"] == '["/usr/local/bin/migrate"]'
    assert last["CMD"] == '["up"]'


def test_build_context_holds_only_what_is_copied(generate):
    service = generate()
    ignore = (service / "migrations.Dockerfile.dockerignore").read_text().splitlines()
    copied = {
        arguments.split()[-2]
        for name, arguments in instructions(service)
        if name == "COPY" and "--from" not in arguments
    }
    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert "tools/migrate/bin" in ignore


def test_engine_builds_as_the_image_builds_it_and_is_small_and_static(generate, run, tmp_path):
    service = generate()
    (build,) = [line for name, line in instructions(service) if name == "RUN"]
    command = re.sub(r"--mount=\S+", "", build).replace("-o /migrate", "-o $ENGINE")
    target = tmp_path / "migrate"
    native = {"TARGETOS": "", "TARGETARCH": "", "ENGINE": str(target)}
    result = run("sh", "-c", command, cwd=service / "tools/migrate", env=native, timeout=600)
    assert result.returncode == 0, result.stderr
    assert target.stat().st_size < LARGEST_ENGINE
    # A dynamic program names its loader.
    assert b"/ld-linux" not in target.read_bytes()


def test_engine_needs_nothing_but_what_the_image_holds(unpacked, engine, run, database):
    result = run(engine, "up", cwd=unpacked, env={**database, "ENVIRONMENT": "test"})
    assert result.returncode == 0, result.stderr
    assert database.value("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_metadata'") == 1
