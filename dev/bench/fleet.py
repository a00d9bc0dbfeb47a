"""`make bench-fleet`: two hundred services, asked for their state and updated, each against Copier alone in some of them."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dev.bench.__main__ import SERVICE, do, released_twice
from dev.toolchain.command import run
from dev.toolchain.install import ROOT
from dev.toolchain.published import publish

SERVICES = int(sys.argv[1]) if len(sys.argv) > 1 else 200
BY_HAND = 4
WORKERS = 2
Result = TypeVar("Result")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="avion-bench-") as name:
        folder = Path(name)
        first, variables = released_twice(folder / "releases", publish(folder / "ours"))
        services = [shutil.copytree(first, folder / "fleet" / str(one) / SERVICE) for one in range(SERVICES)]
        by_hand = [shutil.copytree(first, folder / "by hand" / str(one) / SERVICE) for one in range(BY_HAND)]

        def fleet(*arguments: str | Path) -> list[str]:
            ended = run(sys.executable, "-m", "avion_template", *arguments, cwd=ROOT, env=variables, timeout=3600)
            if ended.returncode:
                sys.exit(ended.stdout + ended.stderr)
            return ended.stdout.splitlines()

        rows, status = timed(lambda: fleet("status", *services))
        print(f"{status:>9.2f} s  status of {len(rows) - 1} services", flush=True)

        def copier() -> None:
            for service in by_hand:
                do("copier", "update", "--quiet", "--skip-answered", "--defaults", cwd=service, env=variables)

        _, floor = timed(copier)
        print(f"{floor / BY_HAND:>9.2f} s  one service by `copier update`, of {BY_HAND} in turn", flush=True)
        outcomes, update = timed(lambda: fleet("update", f"--workers={WORKERS}", *services))
        updated = sum(line.startswith("updated ") for line in outcomes)
        each, ratio = update / SERVICES, update / SERVICES / (floor / BY_HAND)
        print(
            f"{each:>9.2f} s  one service by `avion-template update --workers={WORKERS}`: {ratio:.2f} of that",
            flush=True,
        )
        print(f"{updated:>9}    of {SERVICES} services updated in {update:.0f} s", flush=True)
        if updated != SERVICES:
            sys.exit(1)


def timed(action: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    return action(), time.perf_counter() - started


if __name__ == "__main__":
    main()
