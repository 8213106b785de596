"""A plot is well-formed SVG with a background of its own, and its points are where the axes say."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from tests.bench.plots import Axis, bar_plot, line_plot

SVG = "{http://www.w3.org/2000/svg}"


def test_a_plot_has_title_labels_lines_and_a_light_background() -> None:
    picture = line_plot("a <title>", "x", "y", {"one": [(1, 1), (10, 100)], "two": [(2, 3)]}, log_x=True, log_y=True)
    root = fromstring(picture)  # noqa: S314  # the picture is our own
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a <title>", "x", "y", "one", "two", "1", "10", "100"} <= set(texts)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert background.get("fill") == "#fbfbf9"


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axis = Axis.of([2, 500], 0, 300, log=True)
    assert axis.ticks() == [1, 10, 100, 1_000]
    assert [axis.place(tick) for tick in axis.ticks()] == [0, 100, 200, 300]


def test_a_linear_axis_starts_at_zero_and_has_round_ticks() -> None:
    axis = Axis.of([3, 10], 0, 100, log=False)
    assert axis.ticks() == [0, 2, 4, 6, 8, 10]


def test_a_flat_line_has_an_axis() -> None:
    assert line_plot("flat", "x", "y", {"one": [(0, 5), (1, 5)]}).startswith("<svg")


def test_a_bar_is_as_long_as_its_number() -> None:
    picture = fromstring(bar_plot("a <title>", {"time": {"REF": 1.0, "ours": 0.5}}, "REF"))  # noqa: S314  # our own
    _, reference, ours = picture.iter(f"{SVG}rect")
    assert float(ours.attrib["width"]) == float(reference.attrib["width"]) / 2
    assert ours.get("fill") != reference.get("fill")
    assert {"a <title>", "time", "REF", "ours", "1.00", "0.50"} <= {text.text for text in picture.iter(f"{SVG}text")}
