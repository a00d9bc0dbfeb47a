"""Draws what a piece of work did over time, and what it did to others."""

import dataclasses
import itertools
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

COLOURS = ("#b5541c", "#1f5f99")


@dataclasses.dataclass
class Course:
    """One run: what was done until which second, and which second had which latency."""

    name: str
    done: list[tuple[float, float]]
    latency: list[tuple[float, float]]


def draw(courses: list[Course], file: Path) -> None:
    """The same numbers make the same file, to the byte."""
    mpl.rcParams |= {"svg.hashsalt": "avion", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    figure, (above, below) = pyplot.subplots(2, sharex=True, figsize=(7, 4.4), layout="constrained")
    for course, colour in zip(courses, COLOURS, strict=True):
        edges = [second for second, _ in course.done]
        rates = [(done - earlier) / (at - before) for (before, earlier), (at, done) in itertools.pairwise(course.done)]
        above.stairs(rates, edges, color=colour, linewidth=1.5, label=course.name)
        below.plot(*zip(*course.latency, strict=True), color=colour, label=course.name)
    above.margins(y=0.1)
    above.set(ylabel="rows per second", ylim=(0, None))
    above.yaxis.set_major_formatter("{x:,.0f}")
    below.set(ylabel="p99 of a write in ms", yscale="log", xlabel="seconds")
    below.yaxis.set_major_formatter("{x:,g}")
    for axes in (above, below):
        axes.grid(color="#e5e5e5")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    above.legend(frameon=False, loc="upper right")
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
