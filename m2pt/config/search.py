"""A search over declared ranges: which keys vary and how far, how values are proposed, and on which seeds they are judged."""

import json
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from m2pt.config.base import Frozen, Positive, Seed, repeated
from m2pt.config.methods import MethodName

SECTIONS = ("finetune", "pathway", "rivals")
ENCODER_KEYS = ("sweep.target_encoder", "sweep.auxiliary_encoder", "sweep.no_modality_encoder")
"""What a search may vary: the keys of these sections, the same of a task's `finetune`, and which encoders are loaded. Data, model
and the encoders themselves are the same for all trials."""


class RangeConfig(Frozen):
    """The values that a key may take: numbers from `low` to `high`, both included, or one of `choices`."""

    low: float | None = None
    """Smallest value."""
    high: float | None = None
    """Largest value."""
    log: bool = False
    """Draw uniformly in the logarithm."""
    integer: bool = False
    """Draw whole numbers only."""
    choices: tuple[JsonValue, ...] | None = None
    """The values to choose from, instead of `low` and `high`."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.choices is not None:
            if self.model_fields_set != {"choices"}:
                yield "choices exclude low, high, log and integer; remove these, or remove choices"
            if not self.choices:
                yield "choices: must not be empty"
            if len(self.choices) == 1:
                yield "choices: a single choice varies nothing; add another, or set the key to it outside the search"
            if len({_form(choice) for choice in self.choices}) != len(self.choices):
                yield "choices: must not repeat a value"
            return
        if self.low is None or self.high is None:
            yield "low and high are needed, or choices"
            return
        if self.low >= self.high:
            yield f"low: {self.low:g} must be below high ({self.high:g})"
        if self.log and self.low <= 0:
            yield f"low: {self.low:g} must be above 0 if log is true"
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            yield f"integer: low ({self.low:g}) and high ({self.high:g}) must then be whole numbers"

    @property
    def ends(self) -> tuple[JsonValue, ...]:
        """The outermost values: `low` and `high`, or all choices."""
        if self.choices is not None:
            return self.choices
        assert self.low is not None and self.high is not None
        return (int(self.low), int(self.high)) if self.integer else (self.low, self.high)

    @property
    def samples(self) -> tuple[JsonValue, ...]:
        """Values by which a range is checked: its ends and, of whole numbers, the second one, which may be odd."""
        second = (int(self.low) + 1,) if self.integer and self.low is not None else ()
        return *self.ends, *second

    def find(self, value: JsonValue) -> JsonValue:
        """The value in this range that equals a value of the study file; None if there is none."""
        if self.choices is not None:
            return next((choice for choice in self.choices if _form(choice) == _form(value)), None)
        assert self.low is not None and self.high is not None
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        if self.integer:
            return int(value) if float(value).is_integer() else None
        return float(value)

    def words(self) -> str:
        """The range in a few words."""
        if self.choices is not None:
            return "one of " + " | ".join(value_words(choice) for choice in self.choices)
        ends = " to ".join(f"{end:g}" for end in (self.low, self.high) if end is not None)
        return ends + (", whole numbers" if self.integer else "") + (", uniformly in the logarithm" if self.log else "")


class SearchConfig(Frozen):
    """A search for the values of some keys, selected on validation data and confirmed on other seeds.

    A trial is the study with the proposed values in place, run with `method` on `seeds` over all targets and auxiliaries of the
    sweep; what is maximised is the mean validation score of its runs. `tpe` learns from the trials before (J. Bergstra et al.,
    Algorithms for Hyper-Parameter Optimization, NeurIPS 2011), `random` does not; both follow from `seed`. In the end the chosen
    values and the declared ones are run with all methods on the seeds of the sweep, which no trial has seen.
    """

    trials: Positive
    """Number of trials."""
    sampler: Literal["tpe", "random"] = "tpe"
    """`tpe` learns from earlier trials (J. Bergstra et al., NeurIPS 2011), `random` does not."""
    seed: Seed = 0
    """Seed of the proposals."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """Seeds of a trial's runs; none of them may be in `sweep.seeds`."""
    method: MethodName = "pathway"
    """The method that trials are run with, one of `sweep.methods`."""
    ranges: Annotated[dict[str, RangeConfig], Field(min_length=1)]
    """Ranges by the dotted key that varies, such as `pathway.scale_init`."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from repeated(self, "seeds")
        for key in self.ranges:
            if not _may_vary(key):
                known = ", ".join([*(f"{section}.*" for section in SECTIONS), "tasks.NAME.finetune.*", *ENCODER_KEYS])
                yield f"ranges.{key}: a search cannot vary this; it can vary {known}"
            if key.split(".")[-2:] == ["finetune", "score"]:
                yield f"ranges.{key}: validation scores of the last and the best epoch cannot be compared; remove it"


def _may_vary(key: str) -> bool:
    match key.split("."):
        case [section, _, *_] if section in SECTIONS:
            return True
        case ["tasks", _, "finetune", _, *_]:
            return True
    return key in ENCODER_KEYS


def value_words(value: JsonValue) -> str:
    """A value of a study file in words: strings as they are, lists without brackets."""
    if isinstance(value, list):
        return ", ".join(map(value_words, value))
    return value if isinstance(value, str) else json.dumps(value)


def _form(value: JsonValue) -> str:
    """The same text for equal values: a float without a fraction is written as an integer."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, sort_keys=True)
