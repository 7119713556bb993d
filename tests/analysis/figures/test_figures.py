import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pandas as pd
import pytest

from m2pt.analysis.figures import gallery, scores, style, training
from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.runs.table import read_table
from tests.analysis import synthetic


def _draw(planned: synthetic.Planned) -> list[gallery.Picture]:
    known = cells(read_table(planned.specs, planned.runs))
    lines = trajectories.history(known, planned.runs)
    (summary,) = summaries(known)
    return gallery.draw(summary, known, trajectories.curves(lines, known), trajectories.scales(lines, known))


def test_figures_are_the_same_bytes_each_time_whatever_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image",), epochs=2))
    first = [(picture.name, picture.png, picture.svg) for picture in _draw(planned)]
    monkeypatch.setitem(mpl.rcParams, "font.size", 20.0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    again = [(picture.name, picture.png, picture.svg) for picture in _draw(planned)]
    assert [name for name, *_ in first] == [
        "answer-pretrained-full",
        "matrix-pretrained-full",
        *(f"{kind}-image-pretrained-full" for kind in ("accuracy", "gains", "scales", "curves")),
    ]
    assert first == again
    assert mpl.rcParams["font.size"] == 20.0


def test_where_no_pair_is_planned_no_matrix_is_drawn_nor_random_weights_as_other_modalities(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1)
    drawn = [spec.model_copy(update={"auxiliary_weights": None}) for spec in planned.specs if spec.method != "own_lineage"]
    paths = [spec for spec in drawn if spec.method in ("baseline", "pathway")]
    assert {picture.section for picture in _draw(synthetic.complete(replace(planned, specs=paths)))} == {"accuracy", "curves"}
    pictures = {picture.section: picture for picture in _draw(synthetic.complete(replace(planned, specs=drawn)))}
    assert re.fullmatch(r"Scales of random weights on .*at the end: attn.proj 0\.\d+, .*", pictures["scales"].alternative)
    assert set(pictures) == {
        "accuracy", "curves", "gains", "scales",
    }  # fmt: skip


def test_the_matrix_shows_the_numbers_of_every_cell(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1))
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    with style.look():
        text = " ".join(ElementTree.fromstring(style.svg(scores.matrix(summary))).itertext())
    for item in summary.comparisons:
        assert f"± {item.estimate.half_width:.2f}, n=3" in text
        assert f"{abs(item.estimate.mean or 0):.2f}" in text


def test_the_title_of_a_single_pair_is_within_its_picture(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1))
    one = [
        spec for spec in planned.specs if spec.target == "image" and spec.method in ("baseline", "pathway", "random_auxiliary")
    ]
    (summary,) = summaries(cells(read_table(one, planned.runs)))
    assert (len(summary.targets), len(summary.auxiliaries)) == (1, 1)
    with style.look():
        drawn = scores.answer(summary)
        drawn.canvas.draw()
        (axes,) = drawn.axes
        title = axes.title.get_window_extent()
    assert drawn.bbox.x0 <= title.x0 and title.x1 <= drawn.bbox.x1


def test_the_words_of_a_matrix_without_pairs_name_none(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image",), epochs=1))
    controls = replace(planned, specs=[spec for spec in planned.specs if spec.method != "pathway"])
    words = [picture.alternative for picture in _draw(controls) if picture.section == "matrix"]
    assert words == ["Matrix of gains in points."]


def test_an_embedded_figure_follows_the_page_and_has_its_own_ids(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=1, targets=("image",), epochs=1))
    pictures = _draw(planned)
    roots = [ElementTree.fromstring(picture.inline) for picture in pictures]
    ids = [element.attrib["id"] for root in roots for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for picture, root in zip(pictures, roots, strict=True):
        assert root.attrib["role"] == "img" and root.attrib["aria-label"]
        assert "currentColor" in picture.inline and "#1b1f24" not in picture.inline


def test_nothing_complete_draws_nothing(tmp_path: Path) -> None:
    assert _draw(synthetic.plan(tmp_path)) == []


def test_no_scale_leaves_its_frame() -> None:
    rows = [
        {"method": "pathway", "layer": layer, "depth": 0, "epoch": epoch, "scale": size * epoch, "effective_size": size * epoch}
        for layer, size in (("attn.qkv", 0.1), ("mlp.fc2", 2.0))
        for epoch in (1, 2)
    ]
    with style.look():
        drawn = training.scales(pd.DataFrame(rows))
    panels = [axes for axes in drawn.axes if axes.lines]
    assert len(panels) == 4
    for axes in panels:
        highest = max(max(line.get_ydata()) for line in axes.lines)
        assert axes.get_ylim()[0] == 0.0
        assert highest <= axes.get_ylim()[1]
