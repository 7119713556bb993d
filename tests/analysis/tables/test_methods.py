from itertools import pairwise
from xml.etree import ElementTree

import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.figures import costs
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.paper.gains import cost_ratios
from m2pt.analysis.sections.methods import _other_controls
from m2pt.analysis.tables.methods import MethodRow, method_rows
from m2pt.runs.table import read_table
from tests.analysis import synthetic

TIMES = {"baseline": 10.0, "pathway": 14.0, "random_auxiliary": 13.0, "own_lineage": 12.0}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    planned = synthetic.complete(synthetic.plan(tmp_path_factory.mktemp("methods"), targets=("image", "audio"), epochs=1))
    return read_table(planned.specs, planned.runs)


def _timings(table: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Audio takes ten times as long; seeds differ a little."""
    factor = table["target"].map({"image": 1.0, "audio": 10.0}) * (1 + 0.01 * table["seed"])
    seconds = table["method"].map(TIMES) * factor
    return pd.DataFrame({"run_id": table["run_id"], "train_seconds": seconds, "device_name": "a", **columns})


def _row(rows: list[MethodRow], name: str) -> MethodRow:
    return next(row for row in rows if row.name == name)


def test_gains_are_one_number_a_seed_over_all_targets(table: pd.DataFrame) -> None:
    row = _row(method_rows(cells(table), _timings(table)), "pathway")
    scores = table.set_index(["target", "auxiliary", "seed"])["test_score"]
    pairs = (("image", "audio"), ("audio", "image"))
    gains = [[scores[target, name, seed] - scores[target, "", seed] for target, name in pairs] for seed in range(3)]
    interval = stats.ttest_1samp([sum(pair) / 2 for pair in gains], 0).confidence_interval()
    assert (row.gain.n, row.gain.low, row.gain.high) == (3, pytest.approx(interval.low), pytest.approx(interval.high))
    image = stats.ttest_1samp([pair[0] for pair in gains], 0).confidence_interval()
    assert (row.gains["image"].low, row.gains["image"].high) == pytest.approx((image.low, image.high))
    assert _row(method_rows(cells(table), _timings(table)), "random_auxiliary").over_random.n == 0


def test_an_aligned_method_is_measured_against_aligned_random_weights(table: pd.DataFrame) -> None:
    """And these against random weights as they are: what alignment does by itself."""
    others = {"pathway": "aligned_pathway", "random_auxiliary": "aligned_random"}
    aligned = table[table["method"].isin(others)].copy()
    aligned["method"] = aligned["method"].map(others)
    aligned["test_score"] += aligned["method"].map({"aligned_pathway": 7.0, "aligned_random": 2.0})
    aligned["run_id"] = "aligned-" + aligned["run_id"]
    rows = method_rows(cells(pd.concat([table, aligned], ignore_index=True)), _timings(table))
    plain, moved = _row(rows, "pathway").over_random.mean, _row(rows, "aligned_pathway").over_random.mean
    assert moved == pytest.approx(plain + 5.0)
    assert _row(rows, "aligned_random").over_random.mean == pytest.approx(2.0)
    assert _other_controls(rows) == " (`aligned_random` for `aligned_pathway`)"
    alone = method_rows(
        cells(pd.concat([table, aligned[aligned["method"] == "aligned_pathway"]], ignore_index=True)), _timings(table)
    )
    assert _row(alone, "aligned_pathway").over_random.n == 0, "nothing else takes the control's place"


def test_training_time_is_against_the_baseline_of_the_same_target_seed_and_device(table: pd.DataFrame) -> None:
    timings = _timings(table)
    assert _row(method_rows(cells(table), timings), "pathway").train_ratio == pytest.approx(1.4)
    gone = (table["target"] == "image") & (table["method"] == "pathway")
    assert _row(method_rows(cells(table), timings[~gone]), "pathway").train_ratio == pytest.approx(1.4)  # and not ten times that
    timings.loc[table["method"] == "pathway", "device_name"] = "b"
    rows = method_rows(cells(table), timings)
    assert _row(rows, "pathway").train_ratio is None
    assert _row(rows, "own_lineage").train_ratio == pytest.approx(1.2)


def test_what_was_not_measured_is_missing(table: pd.DataFrame) -> None:
    rows = method_rows(cells(table), pd.DataFrame(columns=["run_id", "train_seconds"]))
    assert {(row.train_ratio, row.latency_ratio) for row in rows} == {(None, None)}
    assert [plane.title for plane in costs.planes(rows)] == ["Trainable parameters"]
    assert [item.ours for item in cost_ratios(rows)] == [None, pytest.approx(400 / 205), None, pytest.approx(1.0)]
    assert [item.published for item in cost_ratios(rows)] == [pytest.approx(22.84 / 16.95), 2.0, 1.0, 1.0]


def test_planes_name_their_methods_and_follow_the_page(table: pd.DataFrame) -> None:
    rows = method_rows(cells(table), _timings(table, latency_ms=1.5, plain_latency_ms=1.0))
    drawn = costs.planes(rows)
    assert [plane.title for plane in drawn] == ["Training time", "Trainable parameters", "Inference time"]
    for plane in drawn:
        root = ElementTree.fromstring(plane.inline)
        text = " ".join(root.itertext())
        assert all(name in text for name in ("baseline", "pathway", "random_auxiliary"))
        assert "own_lineage" not in text  # a control has no place beside rivals, but for the random one
        assert "#1b1f24" not in plane.inline
    assert "× 1.40" in drawn[0].inline and "× 1.50" in drawn[2].inline
    assert costs.planes([row for row in rows if row.name == "baseline"]) == []


@pytest.mark.parametrize("wanted", [[0.0, 0.0, 0.0], [0.0, 0.1, 5.0, 9.9, 10.0], [3.0], [1.0, 4.0, 4.2, 4.3]])
def test_labels_are_apart_in_order_and_within_the_frame(wanted: list[float]) -> None:
    places = costs.spread(wanted, 1.0, 0.0, 10.0)
    assert all(0 <= place <= 10 for place in places)
    assert all(later - earlier >= 1 - 1e-9 for earlier, later in pairwise(places))


def test_labels_that_have_room_stay_where_they_belong() -> None:
    assert costs.spread([1.0, 4.0, 7.0], 1.0, 0.0, 10.0) == [1.0, 4.0, 7.0]
    crowded = costs.spread([5.0] * 30, 1.0, 0.0, 10.0)
    assert (crowded[0], crowded[-1]) == (pytest.approx(0), pytest.approx(10))
    assert costs.apart([1.0, 1.0, 3.0], logarithmic=False)[2] == 3.0
    first, second, _ = costs.apart([1.0, 1.0, 3.0], logarithmic=False)
    assert first + second == pytest.approx(2.0) and second > first
