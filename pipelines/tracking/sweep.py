"""A sweep as a tracker knows it: the runs of one state of a study, under an id, with a title that people can read."""

from collections.abc import Sequence
from dataclasses import dataclass

from m2pt.analysis.tables.phrases import counted
from m2pt.config import Study
from pipelines.planning.plan import sweep_id

_MOST_NAMES = 3


@dataclass(frozen=True)
class Sweep:
    """The runs of one state of a study.

    `id` is the same for every start of it, and is what a tracker finds it by; `title` says what it compares, and may be worded
    otherwise by another version of m2pt.
    """

    study: str
    id: str
    title: str


def sweep_of(study: Study) -> Sweep:
    """The sweep of a study as it is declared."""
    identifier = sweep_id(study)
    return Sweep(study.study, identifier, f"{_content(study)} ({identifier})")


def _content(study: Study) -> str:
    """Targets, methods, seeds, and what else the study varies: `4 targets, 5 methods, seeds 0 to 3`."""
    grid = study.sweep
    words = [_named(grid.targets, "target"), _named(grid.methods, "method"), _seeds(grid.seeds)]
    words += [", ".join(grid.settings)] if grid.settings != ("pretrained",) else []
    words += [", ".join(f"{tuning} tuning" for tuning in grid.tunings)] if grid.tunings != ("full",) else []
    words += [counted(len(study.parts), "part")] if study.parts else []
    words += [f"a search over {', '.join(study.search.ranges)}"] if study.search is not None else []
    return ", ".join(words)


def _named(names: Sequence[str], noun: str) -> str:
    """The names if they are few, else their number."""
    return " and ".join(names) if len(names) < _MOST_NAMES else f"{len(names)} {noun}s"


def _seeds(seeds: Sequence[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) == 1:
        return f"seed {ordered[0]}"
    if ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"seeds {ordered[0]} to {ordered[-1]}"
    return f"seeds {', '.join(map(str, ordered))}" if len(ordered) <= _MOST_NAMES else f"{len(ordered)} seeds"
