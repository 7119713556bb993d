import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from m2pt.analysis.figures.cells import HEIGHT, WIDTH, Line, chart, depth_colour


def _places(drawn: str, look: str) -> list[tuple[float, float]]:
    root = ET.fromstring(drawn)
    (path,) = [item for item in root.iter("path") if item.get("class") == f"line {look}"]
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d") or "")]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _labels(drawn: str) -> dict[str, tuple[float, float]]:
    return {item.text or "": (float(item.get("x", 0)), float(item.get("y", 0))) for item in ET.fromstring(drawn).iter("text")}


def test_points_lie_where_the_labels_of_the_axes_say() -> None:
    drawn = chart("loss", [Line("a", [0, 2, 4], [1.0, 3.0, 2.0])], "words")
    places, labels = _places(drawn, "own"), _labels(drawn)
    assert [x for x, _ in places] == pytest.approx([labels[name][0] for name in ("0", "2", "4")], abs=0.2)
    assert [y for _, y in places] == pytest.approx([labels[name][1] - 3.5 for name in ("1.0", "3.0", "2.0")], abs=0.2)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_a_band_stays_within_the_chart_and_words_are_escaped() -> None:
    drawn = chart("a < b", [Line("<x>", [1, 2], [5.0, 6.0], [2.0, None])], 'says "more" & less')
    assert ET.fromstring(drawn).get("aria-label") == 'says "more" & less'
    (band,) = [item for item in ET.fromstring(drawn).iter("path") if (item.get("class") or "").startswith("band")]
    heights = [float(number) for number in re.findall(r"-?[\d.]+", band.get("d") or "")][1::2]
    assert min(heights) > 0
    assert max(heights) < HEIGHT


@pytest.mark.parametrize("ys", [[3.0], [3.0, 3.0]])
def test_one_point_and_a_level_line_can_be_drawn(ys: list[float]) -> None:
    assert _places(chart("loss", [Line("a", list(range(len(ys))), ys)], "words"), "own")


def test_nothing_to_draw_is_no_chart() -> None:
    assert chart("loss", [], "words") == chart("loss", [Line("a", [], [])], "words") == ""


def test_words_at_the_ends_of_lines_do_not_cover_each_other() -> None:
    lines = [Line(f"block {depth}", [0, 1], [0.0, 1.0 + 0.001 * depth], look="#123456", end=f"b{depth}") for depth in range(4)]
    labels = _labels(chart("scale", lines, "words"))
    heights = sorted(labels[f"b{depth}"][1] for depth in range(4))
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 9


def test_blocks_have_colours_of_their_own_from_the_first_to_the_last() -> None:
    depths = [0, 1, 2, 3, 4]
    colours = [depth_colour(depth, depths) for depth in depths]
    assert len(set(colours)) == 5
    assert (colours[0], colours[2], colours[4]) == ("#2f74d0", "#9a63c4", "#dc662c")
    assert depth_colour(7, [7]) == "#2f74d0"
