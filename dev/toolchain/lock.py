"""Writes every lock anew: the newest versions that are allowed, hashes, no download addresses."""

import os
import subprocess

from dev.toolchain.install import LOCKS, ROOT, npm, search_path

ENVIRONMENT = {**os.environ, "PATH": search_path(), "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
COMPILE = ["uv", "pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version=3.11"]


def python(group: str, *arguments: str) -> None:
    options = ["--generate-hashes", "--no-annotate", f"--group={group}", f"--output-file=dev/lock/{group}.txt"]
    subprocess.run([*COMPILE, *options, *arguments], cwd=ROOT, env=ENVIRONMENT, check=True)


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
    python("demo")
    python("test", "--constraints=dev/lock/demo.txt")
    python("bench", "--constraints=dev/lock/test.txt")
    packages()
