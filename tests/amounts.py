"""How much of a kind is tried: in `make test` little, in `make test-slow` all of it, in `make test-soak` again and again."""

import pytest
import yaml

from dev.toolchain.install import ROOT

MAJORS = list(yaml.safe_load((ROOT / "versions.yml").read_text())["postgres"])
OLDEST, NEWEST = MAJORS[0], MAJORS[-1]


def others_slow(values: list, few: int) -> list:
    """The first few as they are; the others run in `make test-slow`."""
    rest = (value if isinstance(value, tuple) else (value,) for value in values[few:])
    return [*values[:few], *(pytest.param(*value, marks=pytest.mark.slow) for value in rest)]


def rounds(few: int, many: int) -> pytest.MarkDecorator:
    """How often chance decides: a few times in `make test`, by the hundred in `make test-soak`."""
    return pytest.mark.parametrize("rounds", [few, pytest.param(many, marks=pytest.mark.soak)])


# A server of the oldest major version, and in `make test-slow` of the newest, or of every other.
both_ends = pytest.mark.parametrize("postgres", others_slow([OLDEST, NEWEST], 1), indirect=True)
every_major = pytest.mark.parametrize("postgres", others_slow(MAJORS, 1), indirect=True)
