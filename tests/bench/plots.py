"""Plots as SVG. They have a light background of their own, so that they are readable on a dark page too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 50, 60
COLOURS = ("#0b66c3", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#525252")
TICKS = 5
BARS_LEFT, BAR, GAP = 190, 18, 8
REFERENCE_COLOUR = "#8c959f"
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """`low` to `high` in the data, `start` to `end` in the picture. With `log` both are above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float, *, log: bool) -> Axis:
        low, high = min(values), max(values)
        if log:
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        else:
            low = min(0.0, low)
        return cls(low, high if high > low else low + 1, start, end, log)

    def place(self, value: float) -> float:
        scale: Callable[[float], float] = math.log10 if self.log else float
        part = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        if self.log:
            return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        return [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def line_plot(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, Points],
    *,
    log_x: bool = False,
    log_y: bool = False,
    marks: Mapping[str, float] | None = None,
    legend_below: bool = False,
) -> str:
    """SVG. `lines`: points by name; `marks`: vertical lines by name, at their x. A log axis needs values > 0."""
    points = [point for line in lines.values() for point in line]
    x = Axis.of([point[0] for point in points], LEFT, WIDTH - RIGHT, log=log_x)
    y = Axis.of([point[1] for point in points], HEIGHT - BOTTOM, TOP, log=log_y)
    svg = _picture(title, HEIGHT)
    _text(svg, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_label)
    _text(svg, 18, (TOP + HEIGHT - BOTTOM) / 2, y_label, turned=True)
    _grid(svg, x, y)
    for name, value in (marks or {}).items():
        _line(svg, x.place(value), TOP, x.place(value), HEIGHT - BOTTOM, "#b91c1c", dashed=True)
        _text(svg, x.place(value) + 6, TOP + 12, name, anchor="start", colour="#b91c1c")
    for number, (name, line) in enumerate(lines.items()):
        _series(svg, number, [(x.place(one), y.place(other)) for one, other in line])
        top = HEIGHT - BOTTOM - 18 * len(lines) if legend_below else TOP
        _name(svg, number, name, top + 14 + 18 * number)
    return _written(svg)


def bar_plot(title: str, groups: Mapping[str, Mapping[str, float]], reference: str) -> str:
    """SVG. `groups`: heading -> name -> length. The bars called `reference` are grey; each has its length beside it."""
    longest = max(length for group in groups.values() for length in group.values())
    scale = (WIDTH - BARS_LEFT - 60) / longest
    rows = sum(1 + len(group) for group in groups.values())
    svg, y = _picture(title, TOP + rows * (BAR + GAP) + len(groups) * GAP), TOP
    for heading, group in groups.items():
        _text(svg, 10, y + BAR, heading, anchor="start")
        for name, length in group.items():
            y += BAR + GAP
            colour = REFERENCE_COLOUR if name == reference else COLOURS[0]
            _text(svg, BARS_LEFT - 8, y + 14, name, anchor="end")
            _rectangle(svg, BARS_LEFT, y, round(length * scale, 1), BAR, colour)
            _text(svg, BARS_LEFT + round(length * scale + 6, 1), y + 14, f"{length:.2f}", anchor="start")
        y += BAR + 2 * GAP
    return _written(svg)


def _picture(title: str, height: int) -> Element:
    size = {"width": str(WIDTH), "height": str(height), "viewBox": f"0 0 {WIDTH} {height}"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size, "font-family": "sans-serif"})
    SubElement(svg, "title").text = title
    SubElement(svg, "rect", {"width": str(WIDTH), "height": str(height), "rx": "6", "fill": "#fbfbf9"})
    _text(svg, WIDTH / 2, 26, title, size=15)
    return svg


def _written(svg: Element) -> str:
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def _grid(svg: Element, x: Axis, y: Axis) -> None:
    for tick in x.ticks():
        _line(svg, x.place(tick), TOP, x.place(tick), HEIGHT - BOTTOM, "#dddddd")
        _text(svg, x.place(tick), HEIGHT - BOTTOM + 18, f"{tick:,g}")
    for tick in y.ticks():
        _line(svg, LEFT, y.place(tick), WIDTH - RIGHT, y.place(tick), "#dddddd")
        _text(svg, LEFT - 8, y.place(tick) + 4, f"{tick:,.12g}", anchor="end")


def _series(svg: Element, number: int, places: Points) -> None:
    colour = COLOURS[number % len(COLOURS)]
    points = " ".join(f"{x:g},{y:g}" for x, y in places)
    SubElement(svg, "polyline", {"points": points, "fill": "none", "stroke": colour, "stroke-width": "2"})


def _name(svg: Element, number: int, name: str, y: float) -> None:
    _line(svg, LEFT + 12, y - 4, LEFT + 32, y - 4, COLOURS[number % len(COLOURS)], width="3")
    _text(svg, LEFT + 38, y, name, anchor="start")


def _rectangle(svg: Element, x: float, y: float, width: float, height: float, colour: str) -> None:
    place = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}"}
    SubElement(svg, "rect", {**place, "fill": colour})


def _line(
    svg: Element, x1: float, y1: float, x2: float, y2: float, colour: str, *, width: str = "1", dashed: bool = False
) -> None:
    ends = {"x1": f"{x1:g}", "y1": f"{y1:g}", "x2": f"{x2:g}", "y2": f"{y2:g}"}
    dash = {"stroke-dasharray": "5 4"} if dashed else {}
    SubElement(svg, "line", {**ends, "stroke": colour, "stroke-width": width, **dash})


def _text(
    svg: Element,
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "middle",
    colour: str = "#222222",
    turned: bool = False,
) -> None:
    turn = {"transform": f"rotate(-90 {x:g} {y:g})"} if turned else {}
    place = {"x": f"{x:g}", "y": f"{y:g}", "font-size": str(size), "text-anchor": anchor, "fill": colour}
    SubElement(svg, "text", {**place, **turn}).text = text
