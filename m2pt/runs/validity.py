"""What a study may claim, given its history: what was seen before, what has not ended, and what was registered."""

from collections.abc import Sequence
from dataclasses import dataclass

from m2pt.runs.looks import Look
from m2pt.runs.registration import Registered

_MOST_SEEDS = 8


@dataclass(frozen=True)
class Validity:
    """The history of a study.

    `seen` is an earlier look at the same question that forbids claims now. `unended` counts the runs of the main question, of
    `planned`, that have neither a score nor a failure yet; only a sequential design is judged before they have. `registered` is
    None where the study was not registered.
    """

    seen: Look | None = None
    unended: int = 0
    planned: int = 0
    registered: Registered | None = None

    @property
    def refusal(self) -> str:
        """Why no primary claim may be made, and what to do; empty where claims may be made."""
        if self.seen is not None:
            return (
                f"No claim is made: the same question was looked at on {self.seen.date} with {_seeds(self.seen)} in a "
                f"{self.seen.design.split()[0]} design. Error rates hold only for seeds that are chosen before results are "
                "seen, so what is marked below has none either, and an interval excludes 0 more often than it should. "
                "Ask again with fresh seeds, as a new study; to be able to add seeds to a study, declare a sequential design "
                "before the first look (`design.seeds`)."
            )
        if self.unended:
            return (
                f"No claim is made yet: {self.unended} of {self.planned} runs of the main question have not ended. A study of "
                "fixed seeds is judged once, when all of them have."
            )
        return ""


UNSEEN = Validity()
"""That of results which nobody has seen before, and which nobody registered."""


def _seeds(look: Look) -> str:
    """The seeds of a look, in words."""
    of_encoders = {seeds for seeds in look.encoder_seeds.values() if len(seeds) > 1}
    words = f"seeds {_listed(look.seeds)}" if len(look.seeds) > 1 else f"seed {look.seeds[0]}"
    return words + "".join(f" and encoders of seeds {_listed(seeds)}" for seeds in sorted(of_encoders))


def _listed(seeds: Sequence[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    shown = [str(seed) for seed in ordered[:_MOST_SEEDS]] + ["…"] * (len(ordered) > _MOST_SEEDS)
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
