"""Draws: what a run was given by chance, and how the draws of a cell combine seeds and replicates."""

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import product
from typing import Literal, NamedTuple


class Draw(NamedTuple):
    """What a run was given by chance: its fine-tuning seed and its replicate of the encoders (None: they have one seed each)."""

    seed: int
    encoders: int | None = None

    @property
    def label(self) -> str:
        """Its name in a table."""
        return str(self.seed) if self.encoders is None else f"{self.seed} (encoders {self.encoders})"


Layout = Literal["one level", "nested", "crossed"]
"""There are no replicates, or every draw has its own; each draw has one of fewer replicates; each seed has several replicates."""


def in_order(draws: Iterable[Draw]) -> list[Draw]:
    """Draws by seed, then by replicate."""
    return sorted(draws, key=lambda draw: (draw.seed, -1 if draw.encoders is None else draw.encoders))


def layout(draws: Collection[Draw]) -> Layout:
    """How planned draws combine seeds and replicates."""
    replicates = [draw.encoders for draw in draws if draw.encoders is not None]
    if len({draw.seed for draw in draws}) < len(draws):
        return "crossed"
    return "nested" if len(set(replicates)) < len(replicates) else "one level"


def by_replicate(draws: Iterable[Draw]) -> dict[int | None, list[Draw]]:
    """The draws of each replicate."""
    groups: dict[int | None, list[Draw]] = {}
    for draw in draws:
        groups.setdefault(draw.encoders, []).append(draw)
    return groups


def complete_layout(known: Collection[Draw]) -> tuple[list[int | None], list[int]]:
    """Replicates and seeds of which every combination is known: whatever lacks the largest share is left out first."""
    replicates = list(dict.fromkeys(draw.encoders for draw in known))
    seeds = list(dict.fromkeys(draw.seed for draw in known))
    while missing := [draw for place in product(seeds, replicates) if (draw := Draw(*place)) not in known]:
        of_seeds, of_replicates = Counter(draw.seed for draw in missing), Counter(draw.encoders for draw in missing)
        (seed, lacks), (replicate, lacking) = of_seeds.most_common(1)[0], of_replicates.most_common(1)[0]
        if lacks * len(seeds) >= lacking * len(replicates):  # lacks of the replicates, lacking of the seeds
            seeds.remove(seed)
        else:
            replicates.remove(replicate)
    return replicates, seeds
