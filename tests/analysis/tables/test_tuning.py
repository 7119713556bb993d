"""What the report says of tuned arms, from trials whose scores are made up."""

from collections.abc import Sequence

import pytest

from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.tables import tuning
from m2pt.runs.arms import LEARNING_RATE, MULTIPLE, Arm, ArmRates
from m2pt.runs.trials import Trial
from tests.specs import run_spec

RATES = (3e-4, 1e-3, 3e-3)


def arm(
    scores: Sequence[float | str | None], method: str = "baseline", auxiliary: str = "", target: str = "image", part: str = ""
) -> ArmRates:
    """An arm with a trial for each score, or for the reason why it failed; None: not ended. With an auxiliary it has scales."""
    trials, runs = [], []
    for number, score in enumerate(scores):
        multiples = len(scores) // 3
        values = {LEARNING_RATE: RATES[number // multiples] if auxiliary else RATES[0] * 2**number}
        values |= {MULTIPLE: 10.0 ** (number % multiples)} if auxiliary else {}
        state = "unfinished" if score is None else "failed" if isinstance(score, str) else "complete"
        reason = score if isinstance(score, str) else ""
        trials.append(Trial(number, values, state, None if isinstance(score, str) else score, reason))  # type: ignore[arg-type]
        runs.append(tuple(run_spec(target=target, method=method, auxiliary=auxiliary, seed=seed) for seed in (50, 51)))
    return ArmRates(Arm(part, target, method, auxiliary, "pretrained", "full"), tuple(trials), tuple(runs))


def test_sensitivity_is_the_best_score_at_each_rate_and_the_range_over_all_trials() -> None:
    item = tuning.sensitivity(arm([50.0, 52.0, 61.0, 60.0, 55.0, "loss"], "pathway", "audio"))
    assert {rate: trial.score for rate, trial in item.best.items()} == {3e-4: 52.0, 1e-3: 61.0, 3e-3: 55.0}
    assert item.spread == 61.0 - 50.0
    assert tuning.sensitivity(arm([50.0, "loss", "loss"])).spread is None


def test_arms_are_grouped_by_condition_and_target() -> None:
    here, there = tuning.groups([arm([1.0, 2.0]), arm([1.0, 2.0], target="audio"), arm([1.0, 2.0], part="few")])
    assert here.condition == Condition("pretrained", "full")
    assert list(here.targets) == ["image", "audio"]
    assert (here.seeds, here.trials) == ((50, 51), 2)
    assert there.condition == Condition("pretrained", "full", "few")


def test_columns_are_the_rates_that_all_arms_were_trained_with() -> None:
    (group,) = tuning.groups([arm([1.0] * 6), arm([1.0] * 6, "pathway", "audio")])
    assert group.rates == (3e-4,)


def test_a_choice_at_the_end_of_the_grid_names_the_arm_the_key_and_the_end() -> None:
    inside = arm([50.0, 60.0, 50.0], target="point")
    low = arm([60.0, 50.0, 50.0], target="audio")
    high = arm([50.0, 50.0, 50.0, 50.0, 50.0, 60.0], "pathway", "audio")
    said = tuning.caveats([inside, low, high])
    assert said == [
        "The best learning rate is at the end of the grid, the smallest that was tried, for `baseline` on audio: a better one "
        "may lie beyond it.",
        "The best learning rate is at the end of the grid, the largest that was tried, for `pathway` on image from audio: a "
        "better one may lie beyond it.",
        "The best multiple of the scales is at the end of the grid, the largest that was tried, for `pathway` on image from "
        "audio: a better one may lie beyond it.",
    ]
    assert tuning.caveats([inside]) == []


def test_arms_that_were_chosen_from_fewer_trials_are_named_with_their_numbers() -> None:
    arms = [arm([50.0, 60.0, 50.0]), arm(["the loss is not finite.", 60.0, 50.0], "lora"), arm([50.0, 60.0, "x"], target="audio")]
    (sentence,) = tuning.unequal(arms)
    assert sentence == (
        "Not tuned equally: other arms on image were chosen from 3 complete trials, but `lora` on image 2. A difference from "
        "these arms may be one of tuning."
    )
    assert tuning.in_a_claim(arms) == "Not all arms were tuned equally: lora on image 2 of 3 trials."
    assert tuning.in_a_claim(arms[:1]) == "", "the arms of one target are not compared with those of another"
    assert tuning.unequal([arms[0], arms[2]]) == []


def test_an_arm_without_a_choice_is_named_with_the_reason() -> None:
    nothing, waiting = arm(["peft is missing."] * 3, "lora"), arm([50.0, None, 50.0])
    assert tuning.undecided([nothing, waiting]) == [
        "The rates of 1 of 2 arms are not chosen yet, so these have no scores: `baseline` on image.",
        "`lora` on image was not run, because none of its 3 trials is complete (peft is missing).",
    ]
    assert [tuning.notes(each) for each in (nothing, waiting)] == ["nothing is chosen", "not chosen yet"]
    assert tuning.rates_as_run([nothing, waiting]) == []


def test_a_tie_is_told() -> None:
    item = arm([50.0, 60.0, 60.0, 60.0, 60.0, 10.0])
    assert item.chosen is item.trials[1]
    assert tuning.notes(item) == "tied with 0.0012 or 0.0024 and 1 more"


def test_the_settings_as_run_have_each_arms_own_rates() -> None:
    chosen = tuning.rates_as_run([arm([50.0, 60.0, 50.0], part="few"), arm([50.0, 60.0, 50.0], "pathway", "audio")])
    place = {"target": "image", "setting": "pretrained", "tuning": "full"}
    assert chosen == [
        {"part": "few", **place, "method": "baseline", LEARNING_RATE: 6e-4},
        {**place, "method": "pathway", "auxiliary": "audio", LEARNING_RATE: 1e-3, MULTIPLE: 1.0},
    ]


@pytest.mark.parametrize("chosen", [0, 2])
def test_every_trial_is_in_the_table_for_programs(chosen: int) -> None:
    scores: list[float | str] = [50.0, "lost", 49.0]
    scores[chosen] = 70.0
    table = tuning.frame([arm(scores)])
    assert list(table["chosen"]) == [number == chosen for number in range(3)]
    assert list(table["state"]) == ["complete", "failed", "complete"]
    assert table["mean_val_score"].isna().tolist() == [False, True, False]
