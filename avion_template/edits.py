"""Which files of the template somebody edited in a service, whenever that was: with the copy, since then, or right now."""

from collections.abc import Iterator

from avion_template.checkout import Checkout
from avion_template.render import Written, remembered, written
from avion_template.workers import workers


def edited(checkout: Checkout, files: Written) -> list[str]:
    """Those of the owned files that are not as the template has written them. One that was deleted is edited."""
    committed = checkout.committed()
    changed = {path for path, names in files.items() if committed.get(path) not in names}
    if files:
        # No pattern: a path may hold what git takes for one.
        work = checkout.git("diff", "--name-only", "--relative", "-z", "HEAD", "--", *files, GIT_LITERAL_PATHSPECS="1")
        changed |= set(work.split("\0")[:-1])
    return sorted(changed)


def written_all(checkouts: list[Checkout], count: int) -> Iterator[Written | Exception]:
    """What the template has written in each, or why that is not known. Copier runs only for what no run before has asked."""
    # Services with the same answers are the same.
    unknown = {_identity(checkout): checkout for checkout in checkouts if remembered(checkout) is None}
    found: dict[str, Written | Exception] = {}
    if unknown:
        with workers(min(count, len(unknown))) as (pool, scratch):
            asked = {identity: pool.submit(written, one, scratch) for identity, one in unknown.items()}
            for identity, one in asked.items():
                try:
                    found[identity] = one.result()
                except Exception as error:
                    found[identity] = error
    for checkout in checkouts:
        yield found.get(_identity(checkout)) or remembered(checkout) or {}


def _identity(checkout: Checkout) -> str:
    return repr((checkout.name, sorted(checkout.answers.items())))
