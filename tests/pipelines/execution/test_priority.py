"""Runs begin in the order of what they hold up: the longest first, an encoder before those that go on from it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from m2pt.config.study_file import load_study
from m2pt.runs.spec import Spec
from pipelines.execution.display.pace import Mean, Pace
from pipelines.execution.expected import pace_of
from pipelines.execution.priority import _seconds, in_order, starts_of
from pipelines.planning.plan import Plan, resolve
from tests.pipelines.commands.test_cli import STUDY, complete, with_data

ENCODERS = """
study: order
data: {root: data, embedded: {}}
encoders: {short: {kind: mae, seeds: [0, 1]}, long: {kind: labels, start: short, seeds: [7, 8]}}
pretrain: {mae: {steps: 10, warmup_steps: 1}, labels: {steps: 100, warmup_steps: 1}}
sweep: {seeds: [0, 1], targets: [image, point], auxiliaries: [image, point], methods: [pathway], target_encoder: short,
        auxiliary_encoder: long, encoder_seeds: paired}
"""


def planned(text: str) -> Plan:
    Path("params.yaml").write_text(text)
    return resolve(load_study("params.yaml"))


def names(plan: Plan, specs: Sequence[Spec]) -> list[str]:
    return [plan.label(spec) for spec in specs]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_by_the_records_the_longest_run_is_first(folder: Path):
    Path("params.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    for spec in with_data(folder):
        if spec.seed == 0:
            complete(spec, 5.0 if spec.method == "baseline" else 30.0)
    plan = resolve(load_study("params.yaml"))
    todo = plan.unfinished(plan.runs)
    ordered = in_order(plan, todo, pace_of(plan, todo, 1))
    assert [(spec.method, spec.seed) for spec in ordered] == [
        ("random_auxiliary", 1), ("random_auxiliary", 2), ("baseline", 1), ("baseline", 2),
    ]  # fmt: skip
    assert [(spec.method, spec.seed) for spec in todo] == [
        ("baseline", 1), ("random_auxiliary", 1), ("baseline", 2), ("random_auxiliary", 2),
    ]  # fmt: skip


def test_an_encoder_counts_with_what_goes_on_from_it_and_each_with_its_own_seed():
    plan = planned(ENCODERS)
    starts = starts_of(plan, plan.pretrain)
    assert starts == {
        f"{modality}-long-s{seed + 7}": f"{modality}-short-s{seed}" for modality in ("image", "point") for seed in (0, 1)
    }
    ordered = names(plan, in_order(plan, plan.pretrain[::-1], Pace({})))
    assert sorted(ordered) == sorted(names(plan, plan.pretrain))
    # 10 and 100 steps of the same batch: a start holds up 110, what goes on from it 100.
    assert {name.split("-")[1] for name in ordered[:4]} == {"short"}

    kinds = {plan.label(spec): (plan.label(spec),) for spec in plan.pretrain}
    known = {name: Mean(1, 1.0) for name in kinds} | {"image-long-s8": Mean(1, 90.0), "point-short-s0": Mean(1, 40.0)}
    ordered = names(plan, in_order(plan, plan.pretrain, Pace(kinds, known)))
    assert ordered[:3] == ["image-short-s1", "image-long-s8", "point-short-s0"]  # 91, 90 and 41 s


def test_what_no_record_knows_is_compared_by_its_costs_at_the_rate_of_the_others():
    plan = planned(ENCODERS)
    kinds = {plan.label(spec): (spec.source,) for spec in plan.pretrain}
    alone = [spec for spec in plan.pretrain if spec.modality == "image" and spec.seed in (0, 7)]
    (short,) = [plan.label(spec) for spec in alone if spec.source == "short"]
    # 10 steps took 7 s, so 100 steps of the same batch take 70 s.
    assert _seconds(plan.study, {plan.label(spec): spec for spec in alone}, Pace(kinds, {"short": Mean(1, 7.0)})) == {
        short: 7.0, "image-long-s7": pytest.approx(70.0),
    }  # fmt: skip


def test_runs_that_take_equally_long_take_turns_between_the_data_seed_by_seed():
    plan = planned(ENCODERS.replace("methods: [pathway]", "methods: [baseline, pathway]"))
    ordered = names(plan, in_order(plan, plan.pretrain, Pace({})))
    assert [name.split("-")[0] for name in ordered] == ["image", "point"] * 4

    ordered = in_order(plan, plan.runs, Pace({}))
    assert [(spec.seed, spec.target, spec.method) for spec in ordered] == [
        (seed, target, method) for seed in (0, 1) for method in ("baseline", "pathway") for target in ("image", "point")
    ]
