"""What the report says about a search: its ranges, its trials, and what the chosen values are worth on fresh seeds.

Of the trials it has only validation scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from m2pt.analysis.numbers.cells import Cell, by_method
from m2pt.analysis.numbers.statistics import Estimate, averaged, differences, over_seeds
from m2pt.config import SearchConfig, Study, value_words
from m2pt.runs.trials import CHOSEN, DECLARED, Trial, best_so_far, chosen, is_declared


@dataclass(frozen=True)
class Row:
    """A trial with the words for its values, in the order of the ranges, and the best validation score up to it."""

    trial: Trial
    values: tuple[str, ...]
    best: float | None
    is_chosen: bool


@dataclass(frozen=True)
class Confirmation:
    """A method's test scores with the declared and with the chosen values, and their difference, paired by seed.

    Each is the mean over all targets and auxiliaries, one number per seed.
    """

    method: str
    declared: Estimate
    chosen: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Picture:
    """The scores of the trials in a box of `WIDTH` × `HEIGHT`: a dot for each row, and the best so far as a path."""

    dots: tuple[tuple[float, float, Row], ...]
    path: str
    low: float
    high: float


@dataclass(frozen=True)
class Story:
    """Everything that the report says about a search."""

    search: SearchConfig
    ranges: tuple[tuple[str, str, str], ...]
    rows: tuple[Row, ...]
    chosen: Trial | None
    same: bool
    confirmations: tuple[Confirmation, ...]
    picture: Picture | None

    def count(self, state: str) -> int:
        """How many trials are in a state."""
        return sum(row.trial.state == state for row in self.rows)


WIDTH, HEIGHT = 600, 150


def story(study: Study, trials: Sequence[Trial], cells: Sequence[Cell]) -> Story | None:
    """Everything about the search of a study; None for a study without one.

    Args:
        study: the study as it was declared.
        trials: its trials so far.
        cells: the cells that the report compares, of the parts `declared` and `chosen`.

    """
    if study.search is None:
        return None
    best = chosen(study, trials)
    declared = {key: study.value_of(key) for key in study.search.ranges}
    rows = tuple(
        Row(
            trial=trial,
            values=tuple(value_words(trial.values[key]) for key in study.search.ranges),
            best=so_far.score if so_far is not None else None,
            is_chosen=best is not None and trial.number == best.number,
        )
        for trial, so_far in zip(trials, best_so_far(trials), strict=True)
    )
    return Story(
        search=study.search,
        ranges=tuple((key, values.words(), value_words(declared[key])) for key, values in study.search.ranges.items()),
        rows=rows,
        chosen=best,
        same=best is not None and is_declared(study, best.values),
        confirmations=_confirmations(cells) if best is not None and not is_declared(study, best.values) else (),
        picture=_picture(rows),
    )


def frame(story: Story) -> pd.DataFrame:
    """The trials as a table: number, state, mean validation score, best so far, whether chosen, reason, and the values."""
    keys = list(story.search.ranges)
    rows = [
        {
            "trial": row.trial.number, "state": row.trial.state, "mean_val_score": row.trial.score, "best_so_far": row.best,
            "chosen": row.is_chosen, **dict(zip(keys, row.values, strict=True)), "reason": row.trial.reason,
        }
        for row in story.rows
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["trial", "state", "mean_val_score", "best_so_far", "chosen", *keys, "reason"])


def _confirmations(cells: Sequence[Cell]) -> tuple[Confirmation, ...]:
    confirmations = []
    for method, members in by_method(cells).items():
        if len({cell.metric for cell in members}) > 1:
            continue  # points of different metrics have no mean
        before, after = (averaged([cell.test for cell in members if cell.condition.part == part]) for part in (DECLARED, CHOSEN))
        confirmations.append(Confirmation(method, over_seeds(before), over_seeds(after), over_seeds(differences(after, before))))
    return tuple(confirmations)


def _picture(rows: Sequence[Row]) -> Picture | None:
    scores = [row.trial.score for row in rows if row.trial.score is not None]
    if len(scores) < 2:
        return None
    low, high = min(scores), max(scores)

    def x(number: int) -> float:
        return round(WIDTH * (number + 0.5) / len(rows), 1)

    def y(score: float) -> float:
        return round(HEIGHT * (1 - (score - low) / (high - low)), 1) if high > low else HEIGHT / 2

    dots = tuple((x(row.trial.number), y(row.trial.score), row) for row in rows if row.trial.score is not None)
    steps = [(x(row.trial.number), y(row.best)) for row in rows if row.best is not None]
    path = f"M{steps[0][0]} {steps[0][1]}" + "".join(f"H{right}V{up}" for right, up in steps[1:])
    return Picture(dots, path, low, high)
