"""Processes in which Copier runs: each loads it once, for as many services as come."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process

from avion_template.scratch import scratch_folder


@contextlib.contextmanager
def workers(count: int) -> Iterator[tuple[ProcessPoolExecutor, str]]:
    """So many processes, and the folder in which all that they write stays."""
    with scratch_folder(count) as folder:
        scratch = str(folder)
        with ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_prepare, initargs=(scratch,)
        ) as pool:
            yield pool, scratch


def _prepare(scratch: str) -> None:
    from avion_template.compiled import compile_once  # Only here: the command itself needs no Jinja to begin.

    # In a shared cache, parallel updates break each other's clones. Copier reads both variables on import.
    os.environ["TMPDIR"] = scratch
    os.environ["COPIER_CACHE_DIR"] = tempfile.mkdtemp(prefix="cache-", dir=scratch)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    compile_once()


def _end_with_parent() -> None:
    """Whoever kills the command alone leaves no process that goes on by itself."""
    parent = parent_process()
    assert parent, "only a worker comes here"
    parent.join()
    os._exit(1)
