"""Where renders and clones are made before a service sees them: in memory if there is room, and never left for good."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "avion-template-"
LOCK = "run.lock"
MEMORY = Path("/dev/shm")
# One update takes some 20 MB; a container often has 64 MB of such memory, which others use too.
ROOM = 256_000_000


@contextlib.contextmanager
def scratch_folder(users: int) -> Iterator[Path]:
    """A temporary folder for so many at once. Those of runs that were killed are removed."""
    place = _place(users)
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), _locked(lock):
            shutil.rmtree(lock.parent)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=place, ignore_cleanup_errors=True) as name:
        new = Path(name, f"{LOCK}.new")
        new.touch()
        with _locked(new):
            # Whoever sees it under its name finds it locked.
            new.rename(new.with_name(LOCK))
            yield Path(name)


def _place(users: int) -> Path:
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and _serves(MEMORY, users):
        return MEMORY
    return Path(tempfile.gettempdir())


def _serves(place: Path, users: int) -> bool:
    # In most containers no program runs from memory.
    programs_run = not os.statvfs(place).f_flag & os.ST_NOEXEC
    return programs_run and shutil.disk_usage(place).free > users * ROOM


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Holds a lock that ends with this process, however it ends."""
    with file.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
