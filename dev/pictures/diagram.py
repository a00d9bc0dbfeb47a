"""The diagram of the architecture."""

from pathlib import Path
from typing import Any

import yaml

from dev.pictures.svg import MONO, SANS, document, element, text

_WIDTH, _HEIGHT = 1000, 444
_INK, _PAPER, _FAINT = "#1f2933", "#ffffff", "#52606d"
_FILL = {
    "outside": "#f5f7fa",
    "template": "#e3f2ff",
    "own": "#e8f7ec",
    "start": "#fff6e0",
    "database": "#f1eafd",
}


def pictures() -> dict[str, str]:
    """The diagram in each language, by its file's name."""
    data = yaml.safe_load((Path(__file__).parent / "diagram.yml").read_text())
    return {"architecture.svg": _draw(data, "en"), "architecture.ja.svg": _draw(data, "ja")}


def _draw(data: dict[str, Any], language: str) -> str:
    head = element("path", d="M 0 0 L 8 4 L 0 8 z", fill=_FAINT)
    marker = element("marker", head, id="head", markerWidth=8, markerHeight=8, refX=8, refY=4, orient="auto")
    parts = [
        element("defs", marker),
        element("rect", x=1, y=1, width=_WIDTH - 2, height=_HEIGHT - 2, rx=10, fill=_PAPER, stroke="#cbd2d9"),
    ]
    boxes = data["boxes"]
    for arrow in data["arrows"]:
        parts += _arrow(arrow, boxes, language)
    for box in boxes.values():
        parts += _box(box, language)
    return document(_WIDTH, _HEIGHT, data["title"][language], parts)


def _box(box: dict[str, Any], language: str) -> list[str]:
    x, y, width, height = box["at"]
    fill, line = _FILL[box["kind"]], "#9aa5b1"
    if box["kind"] == "database":
        shape = f"M {x} {y + 12} v {height - 24} a {width / 2} 12 0 0 0 {width} 0 v {24 - height} a {width / 2} 12 0 0 0 {-width} 0"
        lid = f"M {x} {y + 12} a {width / 2} 12 0 0 0 {width} 0"
        parts = [element("path", d=d, fill=fill, stroke=line) for d in (shape, lid)]
        y, height = y + 12, height - 12
    else:
        parts = [element("rect", x=x, y=y, width=width, height=height, rx=6, fill=fill, stroke=line)]
    name, *lines = box[language]
    step = 30 if len(lines) > 1 else 20
    first = y + height / 2 - step * len(lines) / 2 + 5
    middle = {"x": x + width / 2, "text_anchor": "middle"}
    parts.append(text(name, **middle, y=first, font_family=MONO, font_size=14, font_weight="bold", fill=_INK))
    for number, words in enumerate(lines, 1):
        parts.append(text(words, **middle, y=first + step * number, font_family=SANS, font_size=13, fill=_FAINT))
    return parts


def _arrow(arrow: dict[str, Any], boxes: dict[str, Any], language: str) -> list[str]:
    (x, y), (to_x, to_y) = _ends(arrow["from"], arrow["to"], boxes)
    upright = x == to_x or y == to_y
    way = f"M {x} {y} L {to_x} {to_y}" if upright else f"M {x} {y} H {to_x} V {to_y}"
    line: dict[str, Any] = {"stroke": _FAINT, "stroke_width": 1.5, "fill": "none", "marker_end": "url(#head)"}
    if arrow.get("dashed"):
        line["stroke_dasharray"] = "5 4"
    parts = [element("path", d=way, **line)]
    if words := arrow.get(language):
        middle = {"x": (x + to_x) / 2, "y": y - 8, "text_anchor": "middle"}
        parts.append(text(words, **middle, font_family=SANS, font_size=12, fill=_FAINT))
    return parts


def _ends(start: str, end: str, boxes: dict[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both ends; an arrow to a longer side goes straight there."""
    x, y = _side(start, boxes)
    to_x, to_y = _side(end, boxes)
    name, side = end.split(".")
    left, top, width, height = boxes[name]["at"]
    if side == "left" and start.endswith(".right") and top <= y <= top + height:
        to_y = y
    if side == "top" and left <= x <= left + width:
        to_x = x
    return (x, y), (to_x, to_y)


def _side(place: str, boxes: dict[str, Any]) -> tuple[float, float]:
    name, side = place.split(".")
    x, y, width, height = boxes[name]["at"]
    return {
        "left": (x, y + height / 2),
        "right": (x + width, y + height / 2),
        "top": (x + width / 2, y),
        "bottom": (x + width / 2, y + height),
    }[side]
