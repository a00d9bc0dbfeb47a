"""Writes the outputs of migrations.yml: the services that changed since the commit given as argument, and their tests.

A service is a folder that holds .goose.yml. Where the commit is unknown (a new branch, a forced push)
or the workflow itself changed, every service counts. Each is tested on the major version of PostgreSQL that its
compose.migrations.yaml names, and on every newer one of IMAGES, as far as GitHub allows so many jobs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

# What decides how every service is tested.
WORKFLOW = (".github/workflows/migrations.yml", ".github/scripts/changed_services.py")
ANSWERS = ".copier-answers.yml"
# So many jobs may one matrix start: https://docs.github.com/en/actions/reference/limits
MOST_JOBS = 256


def git(*arguments: str) -> list[str]:
    output = subprocess.run(
        ["git", arguments[0], "-z", *arguments[1:]], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return output.split("\0")[:-1]


def is_known(commit: str) -> bool:
    command = ["git", "rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def changed_services(base: str) -> list[str]:
    services = [PurePosixPath(file).parent for file in git("ls-files", ":(glob)*/**/.goose.yml")]
    if is_known(base):
        changed = git("diff", "--name-only", "--no-renames", f"{base}...HEAD")
        if ANSWERS in changed and re.search(r"^(<{7}|>{7}) ", Path(ANSWERS).read_text(), re.MULTILINE):
            sys.exit(
                f"{ANSWERS} holds conflict markers (<<<<<<<, >>>>>>>): keep what you want of both sides, and delete them."
            )
        if not set(changed) & set(WORKFLOW):
            services = [one for one in services if any(PurePosixPath(file).is_relative_to(one) for file in changed)]
    return [str(service) for service in services]


def major(text: str) -> int:
    found = re.search(r"\bpostgres:(\d+)", text)
    return int(found[1]) if found else 0


def named(service: str) -> dict[str, str]:
    # The name of an artifact has no slash.
    return {"service": service, "name": service.replace("/", "-")}


def tests(service: str, images: list[str]) -> list[dict[str, str]]:
    compose = Path(service, "compose.migrations.yaml")
    oldest = major(compose.read_text()) if compose.exists() else 0
    legs = [
        {**named(service), "postgres": str(major(image)), "image": image} for image in images if major(image) >= oldest
    ]
    return legs or sys.exit(f"{service} has PostgreSQL {oldest}, which IMAGES lacks: run copier update at the root.")


def affordable(legs: list[list[dict[str, str]]]) -> list[dict[str, str]]:
    """The legs of all services; where they are too many, the newest major of each is left out last, its own one never."""
    for choose in (lambda own: own, lambda own: own[:1] + own[1:][-1:], lambda own: own[:1]):
        chosen = [leg for own in legs for leg in choose(own)]
        if len(chosen) <= MOST_JOBS:
            return chosen
    sys.exit(
        f"{len(legs)} services changed, and GitHub runs at most {MOST_JOBS} jobs: change fewer in one pull request."
    )


if __name__ == "__main__":
    services = changed_services(sys.argv[1])
    images = os.environ["IMAGES"].split()
    print(f"services={json.dumps([named(service) for service in services])}")
    print(f"tests={json.dumps(affordable([tests(service, images) for service in services]))}")
