"""Writes every lock anew: the newest versions that are allowed, hashes, no download addresses."""

import os
import subprocess

from dev.toolchain.install import LOCKS, ROOT, npm, search_path

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
    python("dev/requirements.in", "--output-file=dev/requirements.txt")
    python(
        *("dev/requirements.in", "dev/requirements-test.in", "--constraints=dev/requirements.txt"),
        "--output-file=dev/requirements-test.txt",
    )
    python(
        *("dev/requirements-bench.in", "--constraints=dev/requirements-test.txt"),
        "--output-file=dev/requirements-bench.txt",
    )
    python("dev/toolchain/redis/requirements.in", "--output-file=dev/toolchain/redis/requirements.txt")
    packages()
