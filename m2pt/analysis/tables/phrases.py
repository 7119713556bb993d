"""Parts of the sentences that say what a study shows."""

import math
from collections.abc import Collection, Iterable, Sequence

from m2pt.analysis.numbers.cells import Role
from m2pt.analysis.numbers.claims import Claim
from m2pt.analysis.numbers.comparisons import Comparison
from m2pt.analysis.numbers.draws import Draw, by_replicate, layout
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.numbers.unequal import Missing

CONTROL: dict[Role, str] = {
    "apart": "auxiliaries of the target's own modality that were pretrained apart",
    "lineage": "auxiliaries that go on from the target's own encoder",
}
"""The positive controls, in words."""

DETECTS: dict[Role, str] = {
    "apart": "useful weights of encoders that were pretrained apart",
    "lineage": "useful weights of the target's own lineage",
}
"""What a positive control shows that the study can detect."""


def scope_of(estimates: Iterable[Estimate], *, further: bool = False) -> str:
    """What a claim is about: these encoders, or encoders trained like these where all of its numbers sample them.

    It is about these test samples, unless it is shown for further ones too.
    """
    encoders = "encoders trained like these" if all(item.covers_encoders for item in estimates) else "these encoders"
    return f"For {encoders}, " if further else f"For {encoders} and on these test samples, "


def lost_runs(missing: Missing) -> str:
    """The runs that are missing, where one side lacks a larger share than the other."""
    return f"; {missing.words}" if missing.differs else ""


def lost_in_brackets(missing: Missing) -> str:
    """The same in brackets, for sentences that have several numbers."""
    return f" ({missing.words})" if missing.differs else ""


def where_measured(claim: Claim, among: Sequence[Claim]) -> str:
    """The metric of a claim, where there are several: points of different metrics have no common average."""
    return f" on the targets measured by {claim.metric}" if len(among) > 1 else ""


def pair_name(item: Comparison) -> str:
    """A pair in words."""
    return f"{item.target} from {item.auxiliary}"


def in_brackets(items: Sequence[Comparison]) -> str:
    """Pairs in brackets; nothing for none."""
    return f" ({listed([pair_name(item) for item in items])})" if items else ""


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def seeds_of(item: Estimate) -> str:
    """How many seeds an estimate is over, on both levels."""
    if item.replicates == 1:
        return counted(item.n, "seed")
    if item.replicates == item.n:
        return f"{item.n} seeds, each with encoders of its own"
    return f"{item.n} runs each, on {item.replicates} pretrainings of the encoders"


def seeds_and_encoders(draws: Collection[Draw], encoders: str = "the encoders") -> str:
    """How the seeds of planned runs go with the pretrainings of some encoders, as they are for all of the runs together."""
    seeds = {draw.seed for draw in draws}
    groups = by_replicate({draw for draw in draws if draw.encoders is not None})
    if not groups:
        return counted(len(seeds), "seed")
    known = [draw for group in groups.values() for draw in group]
    if (together := layout(known)) == "one level":
        return f"{counted(len(seeds), 'seed')}, each with its own pretraining of {encoders}"
    count = counted(len(groups), "pretraining")
    if together == "nested":
        sizes = sorted({len(group) for group in groups.values()})
        return f"{counted(len(seeds), 'seed')} on {count} of {encoders}, {' or '.join(map(str, sizes))} seeds on each"
    if len(known) < len(groups) * len(seeds):
        return f"{counted(len(seeds), 'seed')} and {count} of {encoders}, not in all combinations"
    each = "1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds, each"
    return f"{each} on {'both pretrainings' if len(groups) == 2 else f'all {count}'} of {encoders}"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def points(size: float) -> str:
    """A size in percentage points that was declared, as text."""
    return f"{size:g} point" if size == 1 else f"{size:g} points"


def of_metric(name: str) -> str:
    """What points are of, behind the word: nothing for accuracy, of which a report speaks unless it says otherwise."""
    return "" if name in ("accuracy", "score") else f" of {name}"


def upwards(value: float) -> str:
    """A size as text, rounded up: stated smaller than it is, it would claim too much."""
    return f"{math.ceil(round(value, 9) * 100) / 100:.2f}"


def p_of(value: float) -> str:
    """A p-value as text: no p-value is 0."""
    return f"p = {rounded(value, 3)}" if value >= 0.0005 else "p < 0.001"
