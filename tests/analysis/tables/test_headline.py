import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.claims import claims as claims_of
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.rules import Rule
from m2pt.analysis.tables.headline import Statement, difference, headline, signed
from m2pt.analysis.tables.phrases import upwards
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from tests.analysis import synthetic
from tests.analysis.oracles import equivalence


def _claims(
    tmp_path: Path, effects: dict[str, float], noise: float = 0.3, seeds: int = 5, replicates: int | None = None
) -> list[str]:
    """The claims of a study whose methods differ by known effects; with `replicates`, seeds are paired with so many."""

    def score(spec: RunSpec) -> float:
        rng = np.random.default_rng(derived_seed(spec.seed, spec.name, "headline"))
        return 60 + effects.get(spec.method, 0.0) + float(rng.normal(0, noise))

    planned = synthetic.plan(tmp_path, seeds=seeds, epochs=1)
    if replicates is not None:
        planned = replace(
            planned, specs=[spec.model_copy(update={"replicate": spec.seed % replicates}) for spec in planned.specs]
        )
    synthetic.complete(planned, score)
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    return [statement.claim for statement in headline(summary)]


SCOPE = "For these encoders and on these test samples, "
HIGHER = f"{SCOPE}auxiliaries of other modalities scored higher than random weights on average."


def test_no_transfer_is_claimed_where_random_weights_do_as_much(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 2.0, "random_auxiliary": 2.0, "own_lineage": 5.0})
    assert claims[0] == "This study does not show that auxiliaries of other modalities do more than random weights."
    assert claims[1].startswith(f"{SCOPE}the difference from random weights on average is shown to be smaller than 0.")
    own = "auxiliaries that go on from the target's own encoder scored higher than random weights on average"
    assert claims[2] == f"{SCOPE}{own}: the study can detect useful weights of the target's own lineage."
    assert claims[3].startswith(
        f"{SCOPE}random weights scored higher than no auxiliary on average: a gain over no auxiliary is no"
    )


@pytest.mark.parametrize(("seeds", "replicates"), [(4, 4), (6, 3)])
def test_with_replicates_the_claims_are_about_encoders_trained_like_these(tmp_path: Path, seeds: int, replicates: int) -> None:
    effects = {"pathway": 8.0, "random_auxiliary": 1.0, "own_lineage": 9.0}
    claims = _claims(tmp_path, effects, seeds=seeds, replicates=replicates)
    of_all = "For encoders trained like these and on these test samples, "
    assert claims[0] == HIGHER.replace(SCOPE, of_all)
    assert sum(claim.startswith(of_all) for claim in claims) >= 3
    planned = synthetic.plan(tmp_path, seeds=seeds, epochs=1)
    specs = [spec.model_copy(update={"replicate": spec.seed % replicates}) for spec in planned.specs]
    (summary,) = summaries(cells(read_table(specs, planned.runs)))
    said = "4 seeds, each with encoders of its own" if seeds == replicates else "6 runs each, on 3 pretrainings of the encoders"
    assert f"({said})" in headline(summary)[0].detail
    assert not any("these encoders" in claim for claim in claims)


def test_a_gain_over_random_weights_is_told(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 4.0, "random_auxiliary": 1.0, "own_lineage": 5.0})
    assert claims[0] == HIGHER
    assert claims[1].startswith(f"{SCOPE}other modalities scored higher than random weights on image from audio, ")


def test_a_loss_against_random_weights_is_told(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": -4.0, "random_auxiliary": 1.0, "own_lineage": 5.0})
    assert claims[0] == f"{SCOPE}auxiliaries of other modalities scored lower than random weights on average."
    assert claims[1].startswith(f"{SCOPE}other modalities scored lower than random weights on image from audio, ")


def test_a_study_without_a_working_positive_control_says_so(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {}, noise=1.0)
    assert claims[2] == (
        "The study has not been shown to detect useful weights of the target's own lineage, so the absence of a gain "
        "means little."
    )
    assert claims[3] == "A gain over no auxiliary has to be compared with what random weights gain."


def test_one_seed_supports_no_claim(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 20.0, "own_lineage": 20.0}, seeds=1)
    assert claims == [
        "It cannot be said yet whether auxiliaries of other modalities do more than random weights.",
        "It is not known yet whether the study can detect useful weights of the target's own lineage.",
        "No pair can be compared with its baseline yet.",
    ]


def test_questions_without_an_interval_stand_with_the_primary_claims(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=1, epochs=1))
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    assert [item.standing for item in headline(summary)] == ["undecided", "undecided", "descriptive"]


def test_a_gain_that_is_shown_is_not_called_absent(tmp_path: Path) -> None:
    claims = _claims(tmp_path, {"pathway": 6.0})
    assert claims[0] == HIGHER
    assert "The study has not been shown to detect useful weights of the target's own lineage." in claims
    assert not any("absence of a gain" in claim for claim in claims)


def test_seeds_that_can_show_nothing_in_a_pair_are_said_to() -> None:
    said = _told({"image": 1.0, "audio": 1.0}, (9.0, -9.0))
    (few,) = [item for item in said if item.claim.endswith("seeds are too few to rely on seeing a difference in a single pair.")]
    assert few.claim.startswith("2 seeds")
    assert "In the median pair" not in few.detail, "no two scores are so far apart"


def test_what_a_pair_can_be_relied_on_to_show_is_told_with_its_uncertainty() -> None:
    """Written plainly from the noncentral t distribution, for the strictest step of the correction."""
    spread = (3.0, -4.0, 2.0, -1.0, 0.5, -3.0, 2.5, 0.0)
    said = _told({"image": 1.0, "audio": 1.0}, spread)
    (pair,) = [item for item in said if item.claim.startswith("In a single pair, only a true difference of ")]
    bound, estimated = (float(size) for size in re.findall(r"([\d.]+) points (?:is shown|are enough)", pair.detail))
    assert f"only a true difference of {bound:.2f} points or more can be relied on to be seen." in pair.claim
    seeds, family = len(spread), 2
    assert f"after the correction for {family} comparisons" in pair.detail
    reach = stats.t.ppf(1 - 0.05 / family / 2, seeds - 1)
    deviation = np.std(spread, ddof=1)
    upper = deviation * math.sqrt((seeds - 1) / stats.chi2.ppf(0.1, seeds - 1))
    for size, sd in ((bound, upper), (estimated, deviation)):
        power = stats.nct.sf(reach, seeds - 1, size / sd * math.sqrt(seeds))
        assert power == pytest.approx(0.8, abs=0.02)


def test_a_difference_beyond_what_is_sensible_is_no_promise() -> None:
    said = _told({"image": 1.0, "audio": 1.0}, (3.0, -2.4, 1.8, -2.4))
    (few,) = [item for item in said if item.claim == "4 seeds are too few to rely on seeing a difference in a single pair."]
    size = float(re.findall(r"a true difference of ([\d.]+) points is shown", few.detail)[0])
    assert size > 10
    assert not any(item.claim.startswith("In a single pair") for item in said)


def test_the_numbers_of_pairs_are_one_sentence_without_a_p_value_of_zero() -> None:
    shown = _told({"image": 30.0, "audio": 30.0, "point": 30.0}, (0.3, -0.4, 0.1, -0.1))
    assert "; p < 0.001 after the correction." in shown[0].detail
    assert shown[1].claim.endswith("on image from audio, image from point, audio from image, audio from point, point from image "
                                   "and point from audio.")  # fmt: skip
    assert shown[1].detail.count("points (4 seeds)") == 6 and shown[1].detail.count(".;") == 0
    assert shown[1].detail.endswith("after the correction.")


def test_missing_runs_stand_beside_the_gain_over_no_auxiliary(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=4, epochs=1, targets=("image", "audio")))
    lost = next(spec for spec in planned.specs if spec.method == "pathway")
    synthetic.write_failure(planned, lost, "the loss is not finite.")
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    (said,) = [item for item in headline(summary) if "no auxiliary" in item.claim]
    assert " points (missing runs: 1 of 8 against 0 of 8); random weights on average " in said.detail


def test_a_control_of_a_sequential_design_has_its_intervals_by_target_too(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, seeds=5, epochs=1, targets=("image", "audio")))
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    rule = Rule(planned=5)
    known = claims_of([summary], rule=rule)[summary.condition]
    (said,) = [item for item in headline(summary, (), known) if "By target" in item.detail]
    wide = [difference(rule.judged(item.estimate)) for item in known.controls[0].comparisons]
    assert f"By target: image {wide[0]}, audio {wide[1]}." in said.detail


def test_nothing_complete_says_nothing(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path)
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    assert [statement.claim for statement in headline(summary)] == ["No run is complete yet, so this study shows nothing so far."]


GAINS = {"image": 0.1, "audio": 0.2, "point": 2.0, "video": 6.0}


def _told(level: dict[str, float], noise: tuple[float, ...]) -> list[Statement]:
    """The statements on a study whose pairs all gain what their target does, and what their seed does, over random weights."""
    rows = [
        (target, method, auxiliary, seed, 60 + gain + shift)
        for target in level
        for method, auxiliary, gain in (
            ("baseline", "", 0.0),
            ("random_auxiliary", "random", 0.0),
            *(("pathway", name, level[target]) for name in level if name != target),
        )
        for seed, shift in enumerate(noise if method == "pathway" else [0.0] * len(noise))
    ]
    table = pd.DataFrame(rows, columns=["target", "method", "auxiliary", "seed", "test_score"])
    fixed = {"setting": "pretrained", "tuning": "full", "metric": "accuracy", "parts": "", "status": "complete"}
    (summary,) = summaries(cells(table.assign(**fixed, auxiliary_weights="made", val_score=table["test_score"])))
    return headline(summary)


def test_where_no_pair_is_planned_it_is_not_asked_and_nothing_else_is_said(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, epochs=1)
    alone = [spec for spec in planned.specs if spec.method in ("baseline", "random_auxiliary")]
    planned = synthetic.complete(replace(planned, specs=alone))
    (summary,) = summaries(cells(read_table(planned.specs, planned.runs)))
    (only,) = headline(summary)
    assert "does not ask" in only.claim


def test_the_difference_that_is_excluded_is_true() -> None:
    noise = (0.3, -0.4, 0.1, -0.1)
    told = _told({"image": 0.1, "audio": -0.1, "point": 0.05, "video": -0.05}, noise)[1]
    margin = float(told.claim.split(" points")[0].split()[-1])
    # Without a control, the average has three quarters of the error rate, and one side of its interval half of that.
    level = 0.75 * 0.05 / 2
    assert equivalence(noise, margin) <= level < equivalence(noise, margin - 0.011)
    assert told.standing == "primary" and "its 96.2 % interval" in told.detail


def test_a_question_of_the_primary_family_without_an_answer_stands_with_the_claims() -> None:
    told = _told({"image": 0.1, "audio": -0.1, "point": 0.05, "video": -0.05}, (0.3, -0.4, 0.1, -0.1))
    assert told[0].claim.startswith("This study does not show") and told[0].standing == "undecided"
    assert [item.standing for item in told[2:]] == ["descriptive"] * len(told[2:])


def test_nothing_is_said_of_other_targets() -> None:
    told = _told(GAINS, (0.3, -0.4, 0.1, -0.1))
    assert told[0].claim == HIGHER and told[0].standing == "primary"
    assert not any("targets like these" in item.claim + item.detail for item in told)


def test_a_gain_of_random_weights_that_is_not_shown_is_no_reason() -> None:
    told = _told({"image": 3.0, "audio": 3.0, "point": 3.0, "video": 3.0}, (0.3, -0.4, 0.1, -0.1))
    (said,) = [item for item in told if "no auxiliary" in item.claim]
    assert said.claim == "A gain over no auxiliary has to be compared with what random weights gain."
    assert said.standing == "descriptive"


def test_nothing_is_excluded_without_an_interval() -> None:
    claims = [statement.claim for statement in _told(GAINS, (0.0, 0.0, 0.0))]
    assert not any("smaller than" in claim or "targets like these" in claim for claim in claims)


@pytest.mark.parametrize(("value", "text"), [(0.621, "0.63"), (0.62, "0.62"), (0.1 + 0.2, "0.30"), (2.0, "2.00")])
def test_margins_are_rounded_up(value: float, text: str) -> None:
    assert upwards(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.234, "+1.23"), (-0.5, "−0.50"), (-0.001, "0.00"), (0.0, "0.00")])
def test_differences_are_signed(value: float, text: str) -> None:
    assert signed(value) == text
