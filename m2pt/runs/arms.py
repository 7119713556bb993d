"""The arms of a tuned sweep: the values that each was trained with, how that ended, and what is chosen, by validation alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from m2pt.config import Rates
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import Trial, Values

LEARNING_RATE = "finetune.learning_rate"
MULTIPLE = "pathway.scale_lr_multiple"
"""The values of a trial, by their keys in a spec."""

_EQUAL = 1e-9
"""Mean scores that differ by less, in points, are equal: the same scores summed in another order differ by rounding."""


@dataclass(frozen=True)
class Arm:
    """What shares one choice of rates: all that the runs of a part have in common but for their seeds and encoders' seeds."""

    part: str
    target: str
    method: str
    auxiliary: str
    setting: str
    tuning: str

    @property
    def name(self) -> str:
        """The arm in words, where its condition is known."""
        origin = f" from {self.auxiliary.replace('+', ', ')}" if self.auxiliary else ""
        return f"{self.method} on {self.target}{origin}"

    @property
    def slug(self) -> str:
        """The arm in one word, unique within a study."""
        origin = f"{self.target}-from-{self.auxiliary}" if self.auxiliary else self.target
        return "-".join(filter(None, (self.part, origin, self.method, self.setting, self.tuning)))

    @property
    def condition(self) -> tuple[str, str, str]:
        """What the arms that are compared have in common, beside the target: the part, and how targets start and are tuned."""
        return self.part, self.setting, self.tuning


def arm_of(part: str, spec: RunSpec) -> Arm:
    """The arm of a run in a part of its study."""
    return Arm(part, spec.target, spec.method, spec.auxiliary, spec.setting, spec.tuning)


def values_of(rates: Rates) -> dict[str, float]:
    """Rates by their keys in a spec."""
    rate, multiple = rates
    return {LEARNING_RATE: rate} if multiple is None else {LEARNING_RATE: rate, MULTIPLE: multiple}


def value_at(trial: Trial, key: str) -> float:
    """A value of a trial."""
    value = trial.values[key]
    assert isinstance(value, int | float)
    return float(value)


def with_values(spec: RunSpec, values: Values) -> RunSpec:
    """The run with other rates."""
    recipe = spec.finetune.model_copy(update={"learning_rate": values[LEARNING_RATE]})
    joined = spec.pathway
    if joined is not None and MULTIPLE in values:
        joined = joined.model_copy(update={"scale_lr_multiple": values[MULTIPLE]})
    return spec.model_copy(update={"finetune": recipe, "pathway": joined})


@dataclass(frozen=True)
class ArmRates:
    """The trials of an arm: one for each value of its grid, in ascending order, with the runs of each.

    A trial is complete if all its runs are, with the mean of their validation scores; it has failed if all have ended and one of
    them failed. The highest score is chosen once all trials have ended; of equal scores, the first: the lowest learning rate,
    then the lowest multiple.
    """

    arm: Arm
    trials: tuple[Trial, ...]
    runs: tuple[tuple[RunSpec, ...], ...]

    @property
    def is_over(self) -> bool:
        """Whether all trials have ended."""
        return all(trial.state != "unfinished" for trial in self.trials)

    @cached_property
    def chosen(self) -> Trial | None:
        """The trial with the highest validation score; None before all have ended, or where none is complete."""
        return self._best[0] if self.is_over and self._best else None

    @property
    def _best(self) -> tuple[Trial, ...]:
        """The trials with the highest score."""
        highest = max((trial.score for trial in self.trials if trial.score is not None), default=0.0)
        return tuple(trial for trial in self.trials if trial.score is not None and trial.score > highest - _EQUAL)

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The trials with a score."""
        return tuple(trial for trial in self.trials if trial.score is not None)

    @property
    def failed(self) -> tuple[Trial, ...]:
        """The trials that failed."""
        return tuple(trial for trial in self.trials if trial.state == "failed")

    @property
    def tied(self) -> tuple[Trial, ...]:
        """The other trials with the score of the chosen one."""
        return self._best[1:] if self.chosen is not None else ()

    @property
    def at_an_end(self) -> tuple[str, ...]:
        """The keys whose chosen value is the smallest or the largest of those tried."""
        if self.chosen is None:
            return ()
        ends = {key: {tried[0], tried[-1]} for key in self.chosen.values if len(tried := self.tried(key)) > 1}
        return tuple(key for key, each in ends.items() if self.chosen.values[key] in each)

    def tried(self, key: str) -> list[float]:
        """The values of a key that the arm was trained with, in ascending order."""
        return sorted({value_at(trial, key) for trial in self.trials if key in trial.values})

    @property
    def has_scales(self) -> bool:
        """Whether the arm also varies the multiple of its scales."""
        return MULTIPLE in self.trials[0].values


def abandoned(arms: Sequence[ArmRates]) -> set[str]:
    """The runs, as JSON, that are not tried again: those of failed trials of arms that have a choice, if no other needs them."""
    given_up: set[str] = set()
    needed: set[str] = set()
    for arm in arms:
        for trial, specs in zip(arm.trials, arm.runs, strict=True):
            over = arm.chosen is not None and trial.state == "failed"
            (given_up if over else needed).update(spec.model_dump_json() for spec in specs)
    return given_up - needed
