import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers import classes
from m2pt.analysis.numbers.cells import CellKey, Condition, cells
from m2pt.analysis.numbers.classes import ByCell, TargetChange, TargetClasses
from m2pt.analysis.numbers.comparisons import Compared, compared
from m2pt.analysis.numbers.statistics import estimate
from m2pt.runs.record import FinetuneRecord
from tests.run_records import finetune_record

RIGHT = {
    # method and auxiliary: of ten samples each of "cat" and "dog", how many are told right, by seed
    ("baseline", ""): [(5, 5), (6, 5), (4, 5)],
    ("pathway", "audio"): [(8, 5), (8, 5), (8, 5)],
    ("pathway", "video"): [(6, 5), (7, 4), (5, 6)],
    ("random_auxiliary", "random"): [(5, 5), (6, 5), (6, 5)],
}


def _study(lacking: tuple[str, ...] = ()) -> tuple[pd.DataFrame, dict[str, FinetuneRecord]]:
    rows, records = [], {}
    for (method, auxiliary), counts in RIGHT.items():
        for seed, (cats, dogs) in enumerate(counts):
            name = f"{method}{auxiliary}{seed}"
            done = name not in lacking
            rows.append(
                {
                    "run_id": name, "target": "image", "method": method, "auxiliary": auxiliary, "setting": "pretrained",
                    "tuning": "full", "seed": seed, "metric": "accuracy", "parts": "", "error": None,
                    "status": "complete" if done else "failed", "test_score": 5.0 * (cats + dogs) if done else None,
                    "val_score": 50.0 if done else None,
                }
            )  # fmt: skip
            if done:
                matrix = [[cats, 10 - cats, 0], [10 - dogs, dogs, 0], [0, 0, 0]]
                records[name] = finetune_record(classes=["cat", "dog", "none of it"], confusion=matrix)
    return pd.DataFrame(rows), records


def _cell(known: list[Compared], auxiliary: str) -> Compared:
    return next(item for item in known if item.cell.auxiliary == auxiliary)


def test_confusion_matrices_are_added_up_over_seeds() -> None:
    _, records = _study()
    matrix = classes.confusion(records[f"pathwayvideo{seed}"] for seed in range(3))
    assert matrix is not None
    assert (matrix.runs, matrix.classes) == (3, ("cat", "dog", "none of it"))
    assert matrix.counts.tolist() == [[18, 12, 0], [15, 15, 0], [0, 0, 0]]
    assert np.allclose(matrix.shares, [[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])  # a class without samples has no share


def test_a_change_of_recall_is_paired_by_seed_and_corrected_over_the_classes() -> None:
    table, records = _study()
    cat, dog, nothing = classes.changes(_cell(compared(cells(table)), "video"), ByCell(records))
    assert (cat.name, cat.samples) == ("cat", 10)
    assert cat.recall.mean == pytest.approx(60.0)
    gains = [10.0, 10.0, -10.0]  # over random weights, in points
    oracle = stats.ttest_1samp(gains, 0)
    assert cat.over["random"].mean == pytest.approx(np.mean(gains))
    assert cat.over["random"].low == pytest.approx(oracle.confidence_interval(0.95).low)
    others = stats.ttest_1samp([0.0, -10.0, 10.0], 0).pvalue
    assert cat.adjusted_p["random"] == pytest.approx(min(1, 2 * min(oracle.pvalue, others)))
    assert dog.adjusted_p["random"] == pytest.approx(1.0)
    assert cat.over["baseline"].mean == pytest.approx(10.0)
    assert cat.over["baseline"].half_width is None  # three equal differences: no interval, no test
    assert not cat.holds("random")
    assert nothing.over["random"].mean is None


def test_a_seed_that_failed_on_one_side_is_left_out_of_the_pairs() -> None:
    table, records = _study(lacking=("random_auxiliaryrandom2",))
    cat = classes.changes(_cell(compared(cells(table)), "audio"), ByCell(records))[0]
    assert (cat.over["random"].n, cat.over["random"].dropped) == (2, 1)
    assert cat.over["random"].mean == pytest.approx(25.0)


def test_the_summary_averages_over_auxiliaries_and_puts_the_largest_change_first() -> None:
    table, records = _study()
    (target,) = classes.by_target(compared(cells(table)), ByCell(records))
    assert [item.name for item in target.classes] == ["cat", "dog"]
    gains = [(30 + 10) / 2, (20 + 10) / 2, (20 - 10) / 2]
    assert target.classes[0].change.mean == pytest.approx(np.mean(gains))
    # A class has ten samples: the spread of 7.6 points counts as that of one sample, 10 points.
    assert np.std(gains, ddof=1) < 10
    assert target.classes[0].change.p_value == pytest.approx(2 * stats.t.sf(np.mean(gains) / (10 / np.sqrt(3)), 2))
    dropped = "dropped, because no seed has test samples of them on both sides: none of it"
    assert target.verdict == f"no change is shown in any of 2 classes; {dropped}"


def test_a_missing_run_costs_its_auxiliary_a_seed_alone() -> None:
    table, records = _study(lacking=("pathwayaudio0",))
    (target,) = classes.by_target(compared(cells(table)), ByCell(records))
    assert (target.classes[0].change.n, target.classes[0].change.dropped, target.left_out) == (3, 0, ())
    lacking = tuple(f"pathwayaudio{seed}" for seed in range(3))
    (target,) = classes.by_target(compared(cells(_study(lacking)[0])), ByCell(_study(lacking)[1]))
    assert target.left_out == ("audio",) and "without audio, which lack complete runs" in target.verdict


def test_a_class_whose_differences_are_equal_is_named() -> None:
    made = [
        TargetChange(name, estimate([50.0, 51.0]), estimate(values))
        for name, values in (("cat", [1.0, 1.0]), ("dog", [1.0, 2.0]))
    ]
    verdict = TargetClasses(Condition("pretrained", "full"), "image", tuple(made)).verdict
    assert verdict == "no change is shown in any of 1 class; not tested, because all their differences are equal: cat"


def test_without_confusion_matrices_nothing_is_said() -> None:
    table, _ = _study()
    known = compared(cells(table))
    assert classes.changes(_cell(known, "audio"), ByCell({})) == []
    assert classes.by_target(known, ByCell({})) == []


def test_each_cell_is_compared_within_its_condition_and_target() -> None:
    table, _ = _study()
    other = table.assign(tuning="fix", run_id=table["run_id"] + "x")
    known = compared(cells(pd.concat([table, other[other["method"] != "baseline"]])))
    baseline, *rest = known
    assert (baseline.cell.method, baseline.against) == ("baseline", {})
    random = [item for item in rest if item.cell.method == "random_auxiliary"]
    assert [set(item.against) for item in random] == [{"baseline"}, set()]
    assert _cell(known, "video").difference("random").mean == pytest.approx(np.mean([5.0, 0.0, 0.0]))  # type: ignore[union-attr]
    assert len({item.cell.name for item in known}) == len(known)


def test_names_of_cells_fit_files_and_addresses() -> None:
    assert CellKey(Condition("pretrained", "full"), "image", "baseline", "").name == "image-baseline-pretrained-full"
    name = CellKey(Condition("scratch", "fix", "a-part"), "image", "all_auxiliaries", "audio+point").name
    assert name == "a-part--image-from-audio-point-all_auxiliaries-scratch-fix"
