"""The design of a study: what is decided before its results are seen. It changes no run, only what may be claimed."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import Frozen, PositiveFloat
from m2pt.config.methods import MethodName


class QuestionConfig(Frozen):
    """A further question of the primary family: whether one method scores otherwise than another, on average."""

    method: MethodName
    """The method that the question is about."""
    over: MethodName | None = None
    """What it is compared with, on the same targets; if it is left out, the method's own control with random weights."""


class DesignConfig(Frozen):
    """What is decided before results are seen: whether seeds may be added, and which difference would matter.

    In a `fixed` design the seeds are chosen once. Its intervals and claims hold for that number of seeds; a report of the same
    question with seeds added makes no claim. In a `sequential` design seeds may be added at any time and for any reason: its
    intervals contain the true difference at every number of seeds at once, and are wider for that (H. Wang and A. Ramdas,
    Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance, arXiv 2310.03722).
    """

    seeds: Literal["fixed", "sequential"] = "fixed"
    """`fixed`: the seeds are chosen once; `sequential`: seeds may be added after a look at the report."""
    planned: Annotated[int | None, Field(ge=3, le=1000)] = None
    """Sequential designs only: the number of seeds at which intervals are narrowest. It must not be changed later."""
    smallest_difference: PositiveFloat | None = None
    """The smallest difference of interest, in points: the report says whether the average is shown to be above or below it."""
    questions: Annotated[tuple[QuestionConfig, ...], Field(exclude_if=lambda questions: not questions)] = ()
    """Questions of the primary family beside the built-in ones."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if len(set(self.questions)) != len(self.questions):
            yield "questions: one is asked twice; remove it"
        for number, item in enumerate(self.questions):
            if item.method == item.over:
                yield f"questions[{number}]: {item.method} is compared with itself; name another method (over)"
        if self.seeds == "sequential" and self.planned is None:
            yield "planned: is missing; a sequential design needs the number of seeds that its intervals are made for"
        if self.seeds == "fixed" and self.planned is not None:
            yield "planned: is for sequential designs alone; remove it, or set seeds to sequential"
