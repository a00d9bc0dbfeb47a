"""Writes the output of migrations.yml: the services that changed since the commit given as argument.

A service is a folder that holds .goose.yml. Where the commit is unknown (a new branch, a forced push)
or the workflow itself changed, every service counts.
"""

import json
import subprocess
import sys
from pathlib import PurePosixPath

WORKFLOW = (".github/workflows/migrations.yml", ".github/scripts/changed_services.py")


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
        if not set(changed) & set(WORKFLOW):
            services = [one for one in services if any(PurePosixPath(file).is_relative_to(one) for file in changed)]
    return [str(service) for service in services]


if __name__ == "__main__":
    print(f"services={json.dumps(changed_services(sys.argv[1]))}")
