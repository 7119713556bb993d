"""What parts do, on made-up scores with known effects."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from m2pt.analysis.numbers.cells import Cell, Condition, cells
from m2pt.analysis.numbers.changes import changes, references
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.contrasts import Ablations, Contrast, ablations
from m2pt.analysis.tables.headline import headline
from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from pipelines.planning.grid import data_used, encoders_used, part_specs, run_specs
from pipelines.planning.run_maker import Fingerprints

PARTS = """
  - {name: methods, set: {sweep.methods: [baseline, pathway, random_auxiliary, frozen_encoder]}}
  - {name: qkv, set: {pathway.layers: [attn.qkv]}}
  - {name: quarter, set: {finetune.samples: 125}}
  - {name: scratch, set: {sweep.settings: [scratch]}}
  - {name: random, set: {sweep.auxiliary_encoder: random, sweep.methods: [frozen_encoder]}}
"""
SEEDS = 4


def _study(parts: str = PARTS, sweep: str = "") -> Study:
    return parse_study(
        f"""
study: ablated
data: {{embedded: {{}}}}
encoders: {{mae: {{kind: mae}}, again: {{kind: mae, seed: 1}}}}
sweep:
  seeds: {list(range(SEEDS))}
  targets: [image, audio]
  auxiliaries: [point, video]
  methods: [baseline, pathway, random_auxiliary]
  auxiliary_encoder: again
  {sweep}
parts: {parts}
""",
        "ablated.yaml",
    )


def _part_of(spec: RunSpec) -> str:
    """The name that PARTS give to what a run differs in; empty for none."""
    if spec.auxiliary and spec.auxiliary != "random" and spec.auxiliary_weights is None:
        return "random"
    if spec.pathway and spec.pathway.layers == ("attn.qkv",):
        return "qkv"
    return "quarter" if spec.finetune.samples == 125 else "scratch" if spec.setting == "scratch" else ""


EFFECTS: Mapping[tuple[str, str], float] = {
    ("pathway", ""): 2.0, ("pathway", "qkv"): 1.0, ("pathway", "quarter"): 3.0, ("pathway", "scratch"): 0.5,
    ("random_auxiliary", ""): 1.5, ("random_auxiliary", "qkv"): 0.8, ("random_auxiliary", "quarter"): 2.5,
    ("random_auxiliary", "scratch"): 0.25, ("frozen_encoder", ""): -4.0, ("frozen_encoder", "random"): -5.0,
}  # fmt: skip
SHIFTS = {"quarter": -20.0, "scratch": -12.0}


def _known(spec: RunSpec) -> float:
    """Scores whose differences within a seed are the effects, alike on both targets but for what an auxiliary and a seed add."""
    base = {"image": 60.0, "audio": 70.0}[spec.target] + 5 * math.sin(10 * spec.seed)
    extra = 0.2 if spec.auxiliary == "video" else 0.0
    jitter = 0.1 * spec.seed if _part_of(spec) == "qkv" else 0.0
    return base + SHIFTS.get(_part_of(spec), 0.0) + EFFECTS.get((spec.method, _part_of(spec)), 0.0) + extra + jitter


def _table(study: Study, score: Callable[[RunSpec], float | None] = _known) -> pd.DataFrame:
    prints = Fingerprints(dict.fromkeys(data_used(study), "d" * 64), dict.fromkeys(encoders_used(study), "e" * 64))
    specs = run_specs(study, prints)
    table = read_table(specs, Path("nowhere"), part_specs(study, prints))
    scores = [score(spec) for spec in specs]
    table["status"] = ["missing" if value is None else "complete" for value in scores]
    return table.assign(test_score=pd.Series(scores, dtype=float))


def _cells(study: Study, score: Callable[[RunSpec], float | None] = _known) -> list[Cell]:
    return cells(_table(study, score))


def _row(ablated: Ablations, method: str, part: str) -> Contrast:
    (row,) = [row for family in ablated.families if family.method == method for row in family.rows if row.change.part == part]
    return row


@pytest.fixture(scope="module")
def ablated() -> Ablations:
    return ablations(_study(), _cells(_study()))


def test_every_part_stands_against_the_same_method_in_the_reference(ablated: Ablations) -> None:
    assert ablated.reference == ("methods",)
    assert [family.method for family in ablated.families] == ["pathway", "baseline", "random_auxiliary", "frozen_encoder"]
    for part, difference in {"quarter": -20.0 + 3 - 2, "scratch": -12.0 + 0.5 - 2}.items():
        row = _row(ablated, "pathway", part)
        assert row.overall.mean == pytest.approx(difference)
        assert {target: value.mean for target, value in row.targets.items()} == pytest.approx(
            {"image": difference, "audio": difference}
        )
        assert row.overall.n == SEEDS  # targets and auxiliaries are no further seeds


def test_intervals_are_those_of_a_paired_t_test_over_seeds(ablated: Ablations) -> None:
    row = _row(ablated, "pathway", "qkv")
    interval = stats.ttest_1samp([1.0 - 2.0 + 0.1 * seed for seed in range(SEEDS)], 0).confidence_interval()
    for value in (row.overall, *row.targets.values()):
        assert (value.low, value.high) == pytest.approx((interval.low, interval.high))


def test_what_a_change_does_not_concern_is_the_same_run_and_no_row(ablated: Ablations) -> None:
    parts = {family.method: [row.change.part for row in family.rows] for family in ablated.families}
    assert parts["baseline"] == ["quarter", "scratch"]  # qkv has the very baselines of the reference
    assert parts["pathway"] == ["qkv", "quarter", "scratch"]
    assert parts["frozen_encoder"] == ["random"]


def test_beside_the_difference_stand_the_parts_own_gains(ablated: Ablations) -> None:
    for part, gain, random in (("qkv", 1.0 + 0.15 + 0.1, 0.2 + 0.1), ("quarter", 3.0 + 0.1, 0.5 + 0.1), ("scratch", 0.6, 0.35)):
        row = _row(ablated, "pathway", part)
        assert (row.gain.mean, row.over_random.mean) == pytest.approx((gain, random)), part
    family = ablated.families[0]
    assert (family.gain.mean, family.over_random.mean) == pytest.approx((2.1, 0.6))
    assert _row(ablated, "baseline", "quarter").gain.n == 0


def test_a_rival_has_its_own_random_control_where_a_part_gives_it_one(ablated: Ablations) -> None:
    reference, row = Condition("pretrained", "full", "methods"), _row(ablated, "frozen_encoder", "random")
    assert ablated.control(reference, "frozen_encoder").mean == pytest.approx(1.0)
    assert ablated.families[-1].over_random.mean == pytest.approx(1.0)
    assert row.overall.mean == pytest.approx(-1.0)
    assert row.over_random.n == 0  # it is the control itself
    assert ablated.control(reference, "pathway").n == 0
    assert [part for part in ablated.changes if ablated.is_random(part)] == ["random"]


ALIGNED = """
  - {name: methods, set: {sweep.methods: [baseline, random_auxiliary, aligned_pathway, aligned_random]}}
  - {name: rotated, set: {pathway.alignment: procrustes, sweep.methods: [aligned_pathway, aligned_random]}}
"""


def test_the_control_of_an_aligned_method_is_random_weights_with_the_same_alignment() -> None:
    effects = {
        ("aligned_pathway", "weights"): 4.0, ("aligned_random", "weights"): 1.0,
        ("aligned_pathway", "procrustes"): 6.0, ("aligned_random", "procrustes"): 2.5,
        ("random_auxiliary", "weights"): 9.0,
    }  # fmt: skip

    def score(spec: RunSpec) -> float:
        return 60.0 + math.sin(spec.seed) + effects.get((spec.method, spec.pathway.alignment if spec.pathway else ""), 0.0)

    study = _study(ALIGNED)
    found = ablations(study, _cells(study, score))
    (family,) = [family for family in found.families if family.method == "aligned_pathway"]
    assert family.over_random.mean == pytest.approx(3.0)
    assert _row(found, "aligned_pathway", "rotated").over_random.mean == pytest.approx(3.5)


def test_a_method_over_itself_with_random_weights_by_target_and_by_pair_is_a_paired_t_test_of_one_family() -> None:
    noise = np.random.default_rng(1)
    study = _study()
    scores: dict[tuple[str, str, str, int, bool], float] = {}

    def noted(spec: RunSpec) -> float:
        value = _known(spec) + noise.normal(0, 0.4) + 3.0 * (spec.auxiliary == "video" and _part_of(spec) == "")
        scores[spec.method, spec.target, spec.auxiliary, spec.seed, _part_of(spec) == "random"] = value
        return value

    (control,) = ablations(study, _cells(study, noted)).controls(Condition("pretrained", "full", "methods"))
    assert (control.method, control.auxiliaries) == ("frozen_encoder", ("point", "video"))

    def plain(target: str, auxiliary: str) -> list[float]:
        key = ("frozen_encoder", target, auxiliary)
        return [scores[*key, seed, False] - scores[*key, seed, True] for seed in range(SEEDS)]

    p_values = {}
    for item in control.pairs:
        expected = stats.ttest_1samp(plain(item.target, item.auxiliary), 0)
        assert (item.estimate.mean, item.estimate.p_value) == pytest.approx(
            (np.mean(plain(item.target, item.auxiliary)), expected.pvalue)
        )
        p_values[item.target, item.auxiliary] = expected.pvalue
    adjusted = multipletests([control.overall.p_value, *p_values.values()], method="fdr_bh")[1]
    assert [control.adjusted_p, *(item.adjusted_p for item in control.pairs)] == pytest.approx(list(adjusted))
    for target, value in control.targets.items():
        means = np.mean([plain(target, name) for name in control.auxiliaries], axis=0)
        assert (value.mean, value.p_value) == pytest.approx((means.mean(), stats.ttest_1samp(means, 0).pvalue))


@pytest.mark.parametrize(("method", "origin"), [("frozen_encoder", "other modalities"), ("own_apart", "the same modality")])
def test_a_part_that_asks_about_a_method_alone_says_what_it_does(method: str, origin: str) -> None:
    noise = np.random.default_rng(2)
    study = _study(
        f"[{{name: start, set: {{sweep.methods: [baseline, {method}]}}}}, {{name: random, set: "
        f"{{sweep.auxiliary_encoder: random, sweep.methods: [{method}]}}}}]"
    )
    for effect, said in ((8.0, "scored higher than"), (-8.0, "scored lower than"), (0.0, "is not shown to differ from")):

        def score(spec: RunSpec, effect: float = effect) -> float:
            return 60.0 + noise.normal(0, 1.0) + effect * (spec.method == method and _part_of(spec) == "")

        scored = _cells(study, score)
        ablated = ablations(study, scored)
        (summary, _) = summaries(scored)
        assert summary.asks == (method == "own_apart")
        (statement,) = [item for item in headline(summary, ablated.controls(summary.condition)) if f"`{method}`" in item.claim]
        assert f"`{method}` with encoders of {origin} {said} itself with random weights" in statement.claim
        assert statement.standing == "exploratory"
        assert "(4 seeds)" in statement.detail
    unsaid = headline(summary)
    assert "does not ask" in unsaid[0].claim


def test_where_no_parts_are_declared_none_is_folded_away() -> None:
    assert all(Ablations().is_reference(part) for part in ("", "declared", "chosen"))
    assert not Ablations(reference=("methods",)).is_reference("qkv")


def test_the_correction_is_over_all_rows_of_all_methods(ablated: Ablations) -> None:
    noise = np.random.default_rng(0)
    varied = ablations(_study(), _cells(_study(), lambda spec: _known(spec) + noise.normal(0, 0.3)))
    rows = [row for family in varied.families for row in family.rows]
    known = [row for row in rows if row.overall.p_value is not None]
    expected = multipletests([row.overall.p_value for row in known], method="fdr_bh")[1]
    assert [row.adjusted_p for row in known] == pytest.approx(list(expected))
    assert len(varied.families) > 1 and any(row.holds for row in known)


def test_an_incomplete_run_costs_its_seed_and_no_number_stands_for_it() -> None:
    def score(spec: RunSpec) -> float | None:
        gone = (spec.target, spec.auxiliary, spec.seed, _part_of(spec)) == ("image", "point", 1, "quarter")
        return None if gone else _known(spec)

    row = _row(ablations(_study(), _cells(_study(), score)), "pathway", "quarter")
    assert row.targets["image"].n == row.targets["audio"].n == 4  # the other pair of the target has the seed
    assert "missing runs" in row.missing.words
    assert (row.overall.n, row.overall.dropped) == (4, 0)
    assert row.missing.mine == 1 and row.missing.theirs == 0
    nothing = ablations(_study(), _cells(_study(), lambda spec: None))
    assert all(row.overall.mean is None for family in nothing.families for row in family.rows)


def test_the_papers_difference_stands_beside_where_it_has_both_cells() -> None:
    table = _table(_study())
    theirs = [84.0 if row.parts == "qkv" else 83.5 if row.target == "image" else None for row in table.itertuples()]
    ablated = ablations(_study(), cells(table), theirs)
    assert _row(ablated, "pathway", "qkv").published == {"image": pytest.approx(0.5)}
    assert _row(ablated, "pathway", "quarter").published == {"image": pytest.approx(0.0)}


def test_changes_are_told_in_words() -> None:
    told = {change.part: change.words for change in changes(_study())}
    assert told == {
        "methods": "",
        "qkv": "only attn.qkv",
        "quarter": "125 training samples instead of 500",
        "scratch": "target from scratch",
        "random": "random weights in the auxiliary's place",
    }


def test_without_a_part_that_only_chooses_runs_the_first_is_the_reference() -> None:
    parts = "[{name: few, set: {finetune.samples: 100}}, {name: turned, set: {pathway.order: reversed}}]"
    study = _study(parts)
    ablated = changes(study)
    assert references(ablated) == ("few",)
    assert not ablated[1].keeps_baselines  # against `few`, it has other samples too
    assert "auxiliary's blocks reversed instead of normal" in ablated[1].words and "instead of 100" in ablated[1].words
    assert ablations(study, _cells(study)).families[0].rows[0].change.part == "turned"


def test_parts_with_the_same_settings_share_their_controls() -> None:
    parts = """
  - {name: all, set: {}}
  - {name: few, set: {finetune.samples: 125, sweep.methods: [baseline, pathway]}}
  - {name: few-controls, set: {finetune.samples: 125, sweep.methods: [random_auxiliary]}}
"""
    ablated = ablations(_study(parts), _cells(_study(parts)))
    assert _row(ablated, "pathway", "few").over_random.mean == pytest.approx(0.5 + 0.1)
    assert _row(ablated, "random_auxiliary", "few-controls").gain.mean == pytest.approx(2.5)


def test_a_value_that_the_study_has_anyway_is_no_change() -> None:
    parts = "[{name: a, set: {pathway.order: normal}}, {name: b, set: {sweep.settings: [pretrained, scratch]}}]"
    assert references(changes(_study(parts))) == ("a", "b")
    assert ablations(_study("[]"), _cells(_study("[]"))) == Ablations()
    assert Ablations().is_reference("")
