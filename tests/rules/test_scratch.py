"""What is temporary lives in memory only where there is room for it, and where programs run."""

import os
from types import SimpleNamespace

import pytest

from avion_template import scratch


@pytest.mark.parametrize(
    ("flags", "users", "in_memory"), [(0, 1, True), (os.ST_NOEXEC, 1, False), (0, 1_000_000_000, False)]
)
def test_memory_is_taken_where_it_serves(monkeypatch, tmp_path, flags, users, in_memory):
    memory = tmp_path / "memory"
    memory.mkdir()
    real = os.statvfs
    names = [name for name in dir(real(memory)) if name.startswith("f_")]
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(scratch, "MEMORY", memory)
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(
        os,
        "statvfs",
        lambda path: SimpleNamespace(**{name: getattr(real(path), name) for name in names} | {"f_flag": flags}),
    )
    with scratch.scratch_folder(users) as folder:
        assert (folder.parent == memory) is in_memory
