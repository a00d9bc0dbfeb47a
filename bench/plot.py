"""Draws what a piece of work did over time, and what it did to others."""

import dataclasses
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

COLOURS = ("#b5541c", "#1f5f99")


@dataclasses.dataclass
class Course:
    """Rates and latencies of one run, each a list of seconds and values."""

    name: str
    rate: list[tuple[float, float]]
    latency: list[tuple[float, float]]


def draw(courses: list[Course], file: Path) -> None:
    """The same numbers make the same file, to the byte."""
    mpl.rcParams |= {"svg.hashsalt": "avion", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(8, 5), layout="constrained")
    for course, colour in zip(courses, COLOURS, strict=True):
        above.plot(*zip(*course.rate, strict=True), color=colour, label=course.name)
        below.plot(*zip(*course.latency, strict=True), color=colour, label=course.name)
    above.set(ylabel="rows per second", ylim=(0, None))
    below.set(ylabel="p99 of a write in ms", yscale="log", xlabel="seconds")
    for axes in (above, below):
        axes.grid(color="#e5e5e5")
        axes.spines[["top", "right"]].set_visible(False)
    above.legend(frameon=False)
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
