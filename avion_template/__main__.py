"""avion-template status, plan, update: see docs/how-to/fleet.md."""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from avion_template.checkout import Checkout, RefusedError, behind, releases
from avion_template.preview import plan
from avion_template.update import update_all


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
    update.set_defaults(do=_update)
    return parser


def _status(options: argparse.Namespace) -> int:
    checkouts = [Checkout.read(folder) for folder in options.folders]
    for source in {checkout.source for checkout in checkouts}:
        releases(source)
    with ThreadPoolExecutor() as pool:
        edited = list(pool.map(Checkout.edited, checkouts))
    rows = [("service", "version", "behind", "edited")]
    for checkout, files in zip(checkouts, edited, strict=True):
        lag = behind(checkout)
        rows.append(
            (str(checkout.folder), checkout.version, "unreleased" if lag is None else str(lag), " ".join(files) or "-")
        )
    _table(rows)
    return 0


def _plan(options: argparse.Namespace) -> int:
    checkout = Checkout.read(options.folder)
    files = plan(checkout, _target(checkout, options.to))
    _table([(kind, path) for path, kind in files.items()])
    return 1 if {"conflict", "would-lose-edits"} & set(files.values()) else 0


def _update(options: argparse.Namespace) -> int:
    checkouts = [Checkout.read(folder) for folder in options.folders]
    targets = [_target(checkout, options.to) for checkout in checkouts]
    well = True
    for outcome in update_all(checkouts, targets, options.workers, options.wave):
        print(f"{outcome.state:<10}{outcome.folder}  {outcome.detail}", flush=True)
        well = well and outcome.well
    return 0 if well else 1


def _target(checkout: Checkout, wanted: str | None) -> str:
    known = releases(checkout.source)
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
