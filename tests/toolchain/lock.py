"""Writes every lock anew: the newest versions that are allowed, hashes, no download addresses."""

import os
import subprocess

from tests.toolchain.install import LOCKS, ROOT, npm, search_path

ENVIRONMENT = {**os.environ, "PATH": search_path(), "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
COMPILE = ["uv", "pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version=3.11"]


def python(*arguments: str) -> None:
    subprocess.run([*COMPILE, "--generate-hashes", "--no-annotate", *arguments], cwd=ROOT, env=ENVIRONMENT, check=True)


def packages() -> None:
    options = [
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    for package in sorted((LOCKS / "npm").glob("*/package.json")):
        subprocess.run([*npm(), "install", *options], cwd=package.parent, env=ENVIRONMENT, check=True)


if __name__ == "__main__":
    python("requirements.in", "--output-file=requirements.txt")
    python(
        *("requirements.in", "requirements-test.in", "--constraints=requirements.txt"),
        "--output-file=requirements-test.txt",
    )
    python(
        *("requirements-bench.in", "--constraints=requirements-test.txt"),
        "--output-file=requirements-bench.txt",
    )
    python("tests/toolchain/redis/requirements.in", "--output-file=tests/toolchain/redis/requirements.txt")
    packages()
