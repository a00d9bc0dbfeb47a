"""avion-template status, plan, update: see docs/how-to/fleet.md."""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from avion_template.checkout import Checkout, RefusedError, behind, releases
from avion_template.edits import edited, written_all
from avion_template.preview import plan
from avion_template.update import update_all, update_together


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.do(options)
    except RefusedError as refusal:
        print(f"avion-template: {refusal}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avion-template", description="Keep generated services current.")
    commands = parser.add_subparsers(required=True, metavar="status|plan|update")

    status = commands.add_parser("status", help="version, releases behind, and edited files of the template")
    status.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    status.set_defaults(do=_status)

    preview = commands.add_parser("plan", help="what an update would do; touches nothing")
    preview.add_argument("folder", type=Path, metavar="DIR")
    preview.add_argument("--to", metavar="VERSION", help="the release to update to; the newest if left out")
    preview.set_defaults(do=_plan)

    update = commands.add_parser("update", help="update each service on a branch of its own")
    update.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    update.add_argument("--to", metavar="VERSION", help="the release to update to; the newest if left out")
    update.add_argument("--workers", type=int, default=1, metavar="N", help="how many services at once (1)")
    update.add_argument(
        "--wave", type=int, action="append", default=[], metavar="N", help="so many services first; may be given again"
    )
    update.add_argument(
        "--together", action="store_true", help="one branch for all services of a repository that have no conflict"
    )
    update.set_defaults(do=_update)
    return parser


def _status(options: argparse.Namespace) -> int:
    checkouts = [Checkout.read(folder) for folder in options.folders]
    for source in {checkout.source for checkout in checkouts}:
        releases(source)
    rows, well = [("service", "version", "behind", "edited")], True
    for checkout, files in zip(checkouts, written_all(checkouts, os.cpu_count() or 1), strict=True):
        if isinstance(files, Exception):
            print(f"avion-template: {checkout.folder}: {_sentence(files)}", file=sys.stderr)
            names, well = "unknown", False
        else:
            names = " ".join(edited(checkout, files)) or "-"
        lag = behind(checkout)
        rows.append((str(checkout.folder), checkout.version, "unreleased" if lag is None else str(lag), names))
    _table(rows)
    return 0 if well else 1


def _plan(options: argparse.Namespace) -> int:
    checkout = Checkout.read(options.folder)
    files = plan(checkout, _target(checkout, options.to))
    _table([(kind, path) for path, kind in files.items()])
    lost = [path for path, kind in files.items() if kind == "would-lose-edits"]
    if lost:
        for sentence, concerned in ((_ENGINE, True), (_LOST, False)):
            if concerned in map(_is_engine, lost):
                print(sentence, file=sys.stderr)
    return 1 if {"conflict", "would-lose-edits"} & set(files.values()) else 0


# What becomes of files that the template drops, and of the engine's among them.
_LOST = (
    "avion-template: `copier update` deletes what is called would-lose-edits; git keeps it (git show HEAD:./FILE): "
    "move what the service still needs of it into a file with a name of the service's own."
)
_ENGINE = (
    "avion-template: the engine's source left the services, and `copier update` deletes it, edited or not; git keeps it "
    "(git show HEAD:./FILE): take the change to engine/ of the template, and build it meanwhile with "
    "MIGRATE_ENGINE=<checkout of the template>."
)


def _is_engine(path: str) -> bool:
    return path.startswith("tools/migrate/") and path.endswith((".go", "/go.mod", "/go.sum"))


def _update(options: argparse.Namespace) -> int:
    if options.together and options.wave:
        raise RefusedError(
            "--together makes one branch of all services, and --wave one after the other: use one of them."
        )
    checkouts = [Checkout.read(folder) for folder in options.folders]
    targets = [_target(checkout, options.to) for checkout in checkouts]
    if options.together:
        outcomes = update_together(checkouts, targets, options.workers)
    else:
        outcomes = update_all(checkouts, targets, options.workers, options.wave)
    well = True
    for outcome in outcomes:
        print(f"{outcome.state:<10}{outcome.folder}  {outcome.detail}", flush=True)
        well = well and outcome.well
    return 0 if well else 1


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _target(checkout: Checkout, wanted: str | None) -> str:
    known = list(releases(checkout.source))
    if wanted and wanted not in known:
        raise RefusedError(f"{wanted} is not a release of {checkout.source}: use one that is, such as {known[-1]}.")
    return wanted or known[-1]


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
