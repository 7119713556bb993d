"""What the report says about a tuned sweep: each arm's sensitivity to its rates, what was chosen, and what a reader must know.

Of the tuning it has only validation scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import Condition
from m2pt.runs.arms import LEARNING_RATE, MULTIPLE, ArmRates, value_at
from m2pt.runs.trials import Trial, better

NAMES = {LEARNING_RATE: "learning rate", MULTIPLE: "multiple of the scales"}
"""What is tuned, in words."""


@dataclass(frozen=True)
class Sensitivity:
    """An arm's best mean validation score at each rate (over the multiples tried with it), and the range over all its trials.

    `spread` is the difference between its best and its worst complete trial, in points; None with fewer than two of them.
    """

    arm: ArmRates
    best: dict[float, Trial]
    spread: float | None


@dataclass(frozen=True)
class Group:
    """The arms of one condition, whose claims compare them with each other, by target."""

    condition: Condition
    seeds: tuple[int, ...]
    trials: int
    rates: tuple[float, ...]
    targets: dict[str, tuple[Sensitivity, ...]]

    @property
    def arms(self) -> tuple[Sensitivity, ...]:
        """The arms of all targets."""
        return tuple(arm for arms in self.targets.values() for arm in arms)


def groups(arms: Sequence[ArmRates]) -> list[Group]:
    """The arms by condition, in their order; `rates` of a group are those that all of its arms were trained with."""
    members: dict[Condition, list[ArmRates]] = {}
    for arm in arms:
        members.setdefault(condition_of(arm), []).append(arm)
    return [_group(condition, mine) for condition, mine in members.items()]


def condition_of(arm: ArmRates) -> Condition:
    """The condition of the cells that an arm is compared in."""
    return Condition(arm.arm.setting, arm.arm.tuning, arm.arm.part)


def _group(condition: Condition, arms: Sequence[ArmRates]) -> Group:
    targets: dict[str, list[Sensitivity]] = {}
    for arm in arms:
        targets.setdefault(arm.arm.target, []).append(sensitivity(arm))
    return Group(
        condition=condition,
        seeds=tuple(dict.fromkeys(spec.seed for spec in arms[0].runs[0])),
        trials=len(arms[0].trials),
        rates=tuple(sorted(set.intersection(*(set(arm.tried(LEARNING_RATE)) for arm in arms)))),
        targets={target: tuple(mine) for target, mine in targets.items()},
    )


def sensitivity(arm: ArmRates) -> Sensitivity:
    """How the validation score of an arm depends on its rates."""
    best: dict[float, Trial] = {}
    for trial in arm.complete:
        rate = value_at(trial, LEARNING_RATE)
        best[rate] = better(best.get(rate), trial) or trial
    scores = [trial.score for trial in arm.complete if trial.score is not None]
    return Sensitivity(arm, best, max(scores) - min(scores) if len(scores) > 1 else None)


def frame(arms: Sequence[ArmRates]) -> pd.DataFrame:
    """Every trial of every arm: its values, state, mean validation score, whether it is chosen, and why it failed."""
    rows = [
        {
            "part": arm.arm.part, "setting": arm.arm.setting, "tuning": arm.arm.tuning, "target": arm.arm.target,
            "method": arm.arm.method, "auxiliary": arm.arm.auxiliary, "learning_rate": trial.values[LEARNING_RATE],
            "scale_lr_multiple": trial.values.get(MULTIPLE), "state": trial.state, "mean_val_score": trial.score,
            "chosen": trial is arm.chosen, "reason": trial.reason,
        }
        for arm in arms
        for trial in arm.trials
    ]  # fmt: skip
    return pd.DataFrame(rows)


def rates_as_run(arms: Sequence[ArmRates]) -> list[dict[str, Any]]:
    """The chosen rates of each arm, as plain data; an arm without a choice has none."""
    return [
        {key: value for key, value in vars(arm.arm).items() if value} | dict(arm.chosen.values)
        for arm in arms
        if arm.chosen is not None
    ]


def caveats(arms: Sequence[ArmRates]) -> list[str]:
    """What a reader must know to judge tuned arms, in sentences with light markup."""
    return [*undecided(arms), *unequal(arms), *_ends(arms)]


def undecided(arms: Sequence[ArmRates]) -> list[str]:
    """The arms that have no rates, and so no runs that could be compared, in sentences."""
    sentences = []
    if waiting := [arm for arm in arms if not arm.is_over]:
        sentences.append(
            f"The rates of {len(waiting)} of {len(arms)} arms are not chosen yet, so these have no scores: {_names(waiting)}."
        )
    for arm in (arm for arm in arms if arm.is_over and arm.chosen is None):
        reason = arm.failed[0].reason.rstrip(".")
        sentences.append(f"{_name(arm)} was not run, because none of its {len(arm.trials)} trials is complete ({reason}).")
    return sentences


def unequal(arms: Sequence[ArmRates]) -> list[str]:
    """For each target of each condition: which of its arms were chosen from fewer trials than others; empty if none was."""
    members: dict[tuple[Condition, str], list[ArmRates]] = {}
    for arm in (arm for arm in arms if arm.chosen is not None):
        members.setdefault((condition_of(arm), arm.arm.target), []).append(arm)
    sentences = []
    for mine in members.values():
        most = max(len(arm.complete) for arm in mine)
        if fewer := [arm for arm in mine if len(arm.complete) < most]:
            counts = ", ".join(f"{_name(arm)} {len(arm.complete)}" for arm in fewer)
            sentences.append(
                f"Not tuned equally: other arms on {mine[0].arm.target} were chosen from {most} complete trials, but {counts}. "
                "A difference from these arms may be one of tuning."
            )
    return sentences


def in_a_claim(arms: Sequence[ArmRates]) -> str:
    """What a claim that compares these arms has to say of their tuning: nothing, or which were chosen from fewer trials."""
    over = [arm for arm in arms if arm.chosen is not None]
    most = {
        target: max(len(arm.complete) for arm in over if arm.arm.target == target) for target in {arm.arm.target for arm in over}
    }
    fewer = [f"{arm.arm.name} {len(arm.complete)}" for arm in over if len(arm.complete) < most[arm.arm.target]]
    return f"Not all arms were tuned equally: {', '.join(fewer)} of {len(over[0].trials)} trials." if fewer else ""


def _ends(arms: Sequence[ArmRates]) -> list[str]:
    """The arms whose chosen value is the smallest or the largest one that was tried."""
    found: dict[tuple[str, str], list[ArmRates]] = {}
    for arm in arms:
        for key in arm.at_an_end:
            assert arm.chosen is not None
            side = "smallest" if value_at(arm.chosen, key) == arm.tried(key)[0] else "largest"
            found.setdefault((key, side), []).append(arm)
    return [
        f"The best {NAMES[key]} is at the end of the grid, the {side} that was tried, for {_names(mine)}: a better one may lie "
        "beyond it."
        for (key, side), mine in found.items()
    ]


def _names(arms: Sequence[ArmRates]) -> str:
    return ", ".join(map(_name, arms))


def _name(arm: ArmRates) -> str:
    """An arm in words; its part where the study has several."""
    origin = f" from {arm.arm.auxiliary.replace('+', ', ')}" if arm.arm.auxiliary else ""
    part = f" (part {arm.arm.part})" if arm.arm.part else ""
    return f"`{arm.arm.method}` on {arm.arm.target}{origin}{part}"


def notes(arm: ArmRates) -> str:
    """What is special about an arm's choice, in a few words; empty if nothing is."""
    if arm.chosen is None:
        return "nothing is chosen" if arm.is_over else "not chosen yet"
    said = [f"{len(arm.failed)} failed"] if arm.failed else []
    said += [f"{NAMES[key]} at the end of the grid" for key in arm.at_an_end]
    if arm.tied:
        others = " or ".join(", ".join(f"{value_at(trial, key):g}" for key in trial.values) for trial in arm.tied[:2])
        said.append(f"tied with {others}" + (f" and {len(arm.tied) - 2} more" if len(arm.tied) > 2 else ""))
    return "; ".join(said)
