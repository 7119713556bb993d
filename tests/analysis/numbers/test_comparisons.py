from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers.cells import Condition, cells
from m2pt.analysis.numbers.claims import claims
from m2pt.analysis.numbers.comparisons import Summary, summaries
from m2pt.analysis.numbers.evidence import evidence
from m2pt.analysis.tables.metrics import gains, metrics
from m2pt.runs.table import read_table
from tests.analysis import synthetic
from tests.analysis.numbers.test_claims import study


def _summary(planned: synthetic.Planned) -> Summary:
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    return summary


def test_every_cell_is_the_paired_difference_of_its_two_sides(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, epochs=1))
    summary = _summary(planned)
    table = read_table(planned.specs, planned.runs).set_index(["target", "auxiliary"])["test_score"]
    for item in summary.comparisons:
        reference = {"baseline": "", "random": "random"}[item.against]
        gains = table[item.target, item.auxiliary].to_numpy() - table[item.target, reference].to_numpy()
        if np.std(gains, ddof=1) >= 0.1:  # one of the 1000 test samples
            interval = stats.ttest_1samp(gains, 0).confidence_interval()
            assert (item.estimate.low, item.estimate.high) == pytest.approx((interval.low, interval.high))
        else:
            assert item.estimate.half_width == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3))
    roles = [(item.against, item.role) for item in summary.comparisons]
    assert {key: roles.count(key) for key in roles} == {
        ("baseline", "pair"): 12, ("baseline", "random"): 4, ("baseline", "lineage"): 4,
        ("random", "pair"): 12, ("random", "lineage"): 4,
    }  # fmt: skip


def test_the_gains_over_one_reference_are_one_family_with_their_controls(tmp_path: Path) -> None:
    summary = _summary(synthetic.complete(synthetic.plan(tmp_path, epochs=1)))
    for against, size in (("random", 16), ("baseline", 20)):
        family = [item for item in summary.comparisons if item.against == against]
        expected = stats.false_discovery_control([item.estimate.p_value for item in family])
        assert [item.adjusted_p for item in family] == pytest.approx(list(expected)) and len(family) == size


def test_the_parts_of_a_study_are_one_family() -> None:
    rng = np.random.default_rng(0)
    table = pd.concat([study(rng, parts=("one", "two", "three"))])
    family = [item for summary in summaries(cells(table)) for item in summary.comparisons if item.against == "random"]
    assert len(family) == 3 * 16
    assert [item.adjusted_p for item in family] == pytest.approx(
        list(stats.false_discovery_control([item.p_value for item in family]))
    )


def test_a_failed_run_costs_its_own_seed_alone(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, epochs=1))
    failed = next(spec for spec in planned.specs if (spec.target, spec.auxiliary, spec.seed) == ("image", "audio", 1))
    synthetic.write_failure(planned, failed, "out of memory")
    summary = _summary(planned)
    hit, other = summary.comparison("image", "audio", "random"), summary.comparison("image", "point", "random")
    assert hit is not None and (hit.estimate.n, hit.estimate.dropped) == (2, 1)
    assert other is not None and (other.estimate.n, other.estimate.dropped) == (3, 0)
    assert summary.averages["random"].n == 3  # the other pairs have this seed
    assert hit.missing.words == "missing runs: 1 of 3 against 0 of 3" and not other.missing.words


def test_average_over_pairs_has_one_number_per_seed(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=4, targets=("image", "audio"), epochs=1))
    table = read_table(planned.specs, planned.runs).set_index(["target", "auxiliary", "seed"])["test_score"]
    gains = [
        [table[target, other, seed] - table[target, "random", seed] for target, other in (("image", "audio"), ("audio", "image"))]
        for seed in range(4)
    ]
    interval = stats.ttest_1samp([sum(pair) / 2 for pair in gains], 0).confidence_interval()
    average = _summary(planned).averages["random"]
    assert (average.n, average.low, average.high) == (4, pytest.approx(interval.low), pytest.approx(interval.high))


def test_conditions_are_never_mixed(tmp_path: Path) -> None:
    planned = synthetic.complete(
        synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1, tunings=("full", "fix")),
        scores=lambda spec: 60.0 + spec.seed + (9.0 if spec.tuning == "fix" and spec.auxiliary else 0.0),
    )
    full, fix = summaries(cells(read_table(planned.specs, planned.runs)))
    assert (full.condition, fix.condition) == (Condition("pretrained", "full"), Condition("pretrained", "fix"))
    assert [full.averages["baseline"].mean, fix.averages["baseline"].mean] == [pytest.approx(0), pytest.approx(9)]


def test_random_weights_in_the_auxiliarys_place_make_no_pair(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1)
    specs = [spec.model_copy(update={"auxiliary_weights": None}) for spec in planned.specs]
    planned = synthetic.complete(replace(planned, specs=specs))
    table = read_table(planned.specs, planned.runs)
    summary = _summary(planned)
    assert {cell.method for cell in summary.cells} == {"baseline", "random_auxiliary"}
    assert {(item.against, item.role) for item in summary.comparisons} == {("baseline", "random")}
    assert (summary.averages["random"].n, evidence([summary])) == (0, [])
    assert set(gains([summary])["pretrained-full"]["test"]) == {"baseline", "gain_over_baseline"}
    assert set(metrics(table, [summary], claims([summary]))["test"]) == {"baseline"}


def test_gains_and_metrics_hold_no_number_for_what_is_not_known(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=1, targets=("image", "audio"), epochs=1)
    table = read_table(planned.specs, planned.runs)
    made = summaries(cells(table))
    assert metrics(table, made, claims(made)) == {"runs": {"planned": 8, "complete": 0, "failed": 0}}
    assert gains(made)["pretrained-full"] == {}
    synthetic.complete(planned, scores=lambda spec: 60.0 if spec.method == "baseline" else 61.25)
    table = read_table(planned.specs, planned.runs)
    made = summaries(cells(table))
    numbers = gains(made)["pretrained-full"]
    assert list(numbers) == ["val", "test"]
    assert numbers["test"]["baseline"]["image"] == {"mean": 60.0, "n": 1}
    assert numbers["test"]["gain_over_baseline"]["image_from_audio"] == {"mean": 1.25, "n": 1}
    assert numbers["test"]["gain_over_random"]["audio_from_own_lineage"] == {"mean": 0.0, "n": 1}
    few = metrics(table, made, claims(made))
    assert few["test"] == {"gain_over_random": 0.0, "own_lineage_over_random": 0.0, "gain_over_baseline": 1.25, "baseline": 60.0}
    assert few["runs"] == {"planned": 8, "complete": 8, "failed": 0}


def test_a_study_without_a_gain_has_the_mean_validation_score_of_each_method() -> None:
    table = study(np.random.default_rng(0))
    table = table[table["method"].isin(["baseline", "own_lineage"])]
    made = summaries(cells(table))
    few = metrics(table, made, claims(made))
    assert few["val"] == {method: pytest.approx(rows["val_score"].mean(), abs=1e-4) for method, rows in table.groupby("method")}
    assert "own_lineage" in few["val"] and "own_lineage" not in few["test"], "settings are chosen by validation data alone"


def test_settings_are_chosen_by_gains_on_validation_data() -> None:
    table = study(np.random.default_rng(0))
    table["val_score"] = table["test_score"] + np.where(table["method"] == "pathway", 2.0, 0.0)
    made = summaries(cells(table))
    numbers = gains(made)["pretrained-full"]
    by_validation, by_test = (numbers[name]["average_over_pairs"]["over_baseline"] for name in ("val", "test"))
    assert by_validation["mean"] == pytest.approx(by_test["mean"] + 2.0)
    few = metrics(table, made, claims(made))
    assert list(few) == ["val", "test", "runs"]
    assert few["val"]["gain_over_random"] == pytest.approx(few["test"]["gain_over_random"] + 2.0)


def test_the_few_metrics_are_means_over_pairs_with_the_interval_of_the_claim() -> None:
    table = study(np.random.default_rng(1), seeds=5)
    scores = table.set_index(["target", "method", "auxiliary", "seed"])["test_score"]
    targets = list(dict.fromkeys(table["target"]))
    pairs = [(target, other) for target in targets for other in targets if target != other]
    by_seed = [
        np.mean([scores[one, "pathway", other, seed] - scores[one, "random_auxiliary", "random", seed] for one, other in pairs])
        for seed in range(5)
    ]
    interval = stats.ttest_1samp(by_seed, 0).confidence_interval()
    made = summaries(cells(table))
    few = metrics(table, made, claims(made))["test"]
    assert few["gain_over_random"] == pytest.approx(np.mean(by_seed), abs=1e-4)
    assert few["gain_over_random_half_width"] == pytest.approx((interval.high - interval.low) / 2, abs=1e-4)
    own = [
        np.mean([scores[one, "own_lineage", one, s] - scores[one, "random_auxiliary", "random", s] for one in targets])
        for s in range(5)
    ]
    assert few["own_lineage_over_random"] == pytest.approx(np.mean(own), abs=1e-4)
    assert few["baseline"] == pytest.approx(
        np.mean([scores[one, "baseline", "", s] for one in targets for s in range(5)]), abs=1e-4
    )
    assert sum(len(section) for section in metrics(table, made, claims(made)).values()) <= 16


def test_points_of_several_metrics_have_no_common_mean_among_the_few() -> None:
    table = study(np.random.default_rng(0), metrics={"audio": "map"})
    made = summaries(cells(table))
    few = metrics(table, made, claims(made))["test"]
    assert "gain_over_random" not in few and {"gain_over_random_accuracy", "gain_over_random_map"} <= set(few)
