"""The section `sweep.tune` of a study file."""

import math
from itertools import pairwise

import pytest

from m2pt.config import Study, TuneConfig, UserError
from m2pt.config.study_file import parse_study

BASE = """
study: tuned
model: {width: 16, depth: 2, heads: 2}
encoders: {}
sweep:
  seeds: [0, 1]
  targets: [image]
  auxiliaries: []
  methods: [baseline, random_auxiliary]
  settings: [scratch]
  target_encoder: random
  auxiliary_encoder: random
%s
"""


def study(tune: str) -> Study:
    return parse_study(BASE % tune, "tuned.yaml")


def tune(**changes: object) -> TuneConfig:
    values = {"learning_rates": (3e-4, 1e-3, 3e-3), "scale_lr_multiples": (10.0, 30.0, 100.0), "seeds": (50, 51)}
    return TuneConfig.model_validate(values | changes)


def test_arms_with_and_without_scales_have_equally_many_trials() -> None:
    each = tune()
    assert len(each.grid(True)) == len(each.grid(False)) == each.trials == 9
    assert len(set(each.grid(True))) == len(set(each.grid(False))) == 9
    assert set(each.grid(True)) == {(rate, multiple) for rate in (3e-4, 1e-3, 3e-3) for multiple in (10, 30, 100)}
    without = [rate for rate, multiple in each.grid(False) if multiple is None]
    assert {3e-4, 1e-3, 3e-3} < set(without)
    assert (min(without), max(without)) == (3e-4, 3e-3), "it searches the very range that the others search"


def test_further_rates_are_evenly_spaced_in_the_logarithm() -> None:
    rates = [rate for rate, _ in tune(learning_rates=(1e-4, 1e-3, 1e-2)).grid(False)]
    assert rates == [1e-4, 1.8e-4, 3.2e-4, 5.6e-4, 1e-3, 1.8e-3, 3.2e-3, 5.6e-3, 1e-2], "4 steps in each decade, to two digits"
    uneven = [rate for rate, _ in tune(learning_rates=(1e-4, 1e-2, 2e-2), scale_lr_multiples=(10, 30)).grid(False)]
    steps = [math.log10(high / low) for low, high in pairwise(uneven)]
    assert steps == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.301], abs=0.02), "the wide gap is filled, the narrow one is not"


def test_without_multiples_every_arm_has_the_declared_rates() -> None:
    each = tune(scale_lr_multiples=())
    assert each.grid(True) == each.grid(False) == ((3e-4, None), (1e-3, None), (3e-3, None))


def test_the_order_in_the_file_changes_no_grid() -> None:
    assert tune(learning_rates=(3e-3, 3e-4, 1e-3), scale_lr_multiples=(100, 10, 30)).grid(True) == tune().grid(True)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("tune: {learning_rates: [1e-3, 3e-3], seeds: [1, 50]}", r"sweep\.tune\.seeds: 1 is also in sweep\.seeds"),
        ("tune: {learning_rates: [1e-3, 3e-3], seeds: [1, 0]}", r"sweep\.tune\.seeds: 0, 1 are also in sweep\.seeds"),
        ("tune: {learning_rates: [1e-3], seeds: [50]}", r"sweep\.tune\.learning_rates: must be a list of 2 or more"),
        ("tune: {learning_rates: [1e-3, 1e-3], seeds: [50]}", r"learning_rates: must not repeat a value"),
        ("tune: {learning_rates: [1e-3, 0], seeds: [50]}", r"learning_rates\[1\]: must be a number above 0"),
        ("tune: {learning_rates: [1e-3, 3e-3], seeds: []}", r"sweep\.tune\.seeds: must be a list of 1 or more whole"),
        ("tune: {learning_rates: [1e-3, 3e-3], seeds: [50], rate: 1}", r"sweep\.tune\.rate: unknown key"),
    ],
)
def test_what_cannot_be_tuned_is_told_in_one_sentence(section: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        study(f"  {section}")


def test_a_tuning_seed_of_one_part_is_no_seed_of_another() -> None:
    parts = "parts: [{name: one, set: {}}, {name: other, set: {sweep.seeds: [50], sweep.tune: null}}]"
    with pytest.raises(UserError, match=r"sweep\.tune\.seeds: 50 is also in sweep\.seeds"):
        study("  tune: {learning_rates: [1e-3, 3e-3], seeds: [50]}\n" + parts)


def test_a_search_and_a_tuning_need_two_files() -> None:
    search = "search: {trials: 2, seeds: [70], method: random_auxiliary, ranges: {pathway.scale_lr_multiple: {low: 1, high: 9}}}"
    with pytest.raises(UserError, match=r"search: cannot be combined with sweep\.tune"):
        study("  tune: {learning_rates: [1e-3, 3e-3], seeds: [50]}\n" + search)


def test_a_study_without_tuning_has_no_trace_of_it() -> None:
    assert "tune" not in study("").model_dump()["sweep"]
