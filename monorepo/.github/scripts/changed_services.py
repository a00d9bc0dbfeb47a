"""Writes the outputs of migrations.yml: the services that changed since the commit given as argument, and their tests.

A service is a folder that holds .goose.yml. Where the commit is unknown (a new branch, a forced push)
or the root's own files changed, every service counts. Each is tested on the major version of PostgreSQL that its
compose.migrations.yaml names, and on every newer one of IMAGES.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

# What an update of the root changes: each service's check of the template's files looks at these, too.
ROOT = (".github/workflows/migrations.yml", ".github/scripts/changed_services.py", ".copier-answers.yml")


def git(*arguments: str) -> list[str]:
    output = subprocess.run(["git", *arguments, "-z"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return output.split("\0")[:-1]


def is_known(commit: str) -> bool:
    command = ["git", "rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def changed_services(base: str) -> list[str]:
    services = [PurePosixPath(file).parent for file in git("ls-files", ":(glob)*/**/.goose.yml")]
    if is_known(base):
        changed = git("diff", "--name-only", "--no-renames", f"{base}...HEAD")
        if not set(changed) & set(ROOT):
            services = [one for one in services if any(PurePosixPath(file).is_relative_to(one) for file in changed)]
    return [str(service) for service in services]


def major(text: str) -> int:
    found = re.search(r"\bpostgres:(\d+)", text)
    return int(found[1]) if found else 0


def tests(service: str, images: list[str]) -> list[dict[str, str]]:
    compose = Path(service, "compose.migrations.yaml")
    oldest = major(compose.read_text()) if compose.exists() else 0
    # The name of an artifact has no slash.
    facts = {"service": service, "name": service.replace("/", "-")}
    legs = [{**facts, "postgres": str(major(image)), "image": image} for image in images if major(image) >= oldest]
    return legs or sys.exit(f"{service} has PostgreSQL {oldest}, which IMAGES lacks: run copier update at the root.")


if __name__ == "__main__":
    services = changed_services(sys.argv[1])
    images = os.environ["IMAGES"].split()
    print(f"services={json.dumps(services)}")
    print(f"tests={json.dumps([test for service in services for test in tests(service, images)])}")
