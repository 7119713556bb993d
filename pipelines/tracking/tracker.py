"""What a tracker is: a place outside `runs/` that shows the runs of a sweep.

A tracker is a view: the folders of the runs are the truth, and everything that it shows can be published again from them. Only
one thread uses a tracker at a time, or as many as an open sweep takes runs at a time.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from m2pt.config import UserError
from m2pt.runs.folder import RunState
from pipelines.tracking.metrics import Point
from pipelines.tracking.publication import Publication


class OutageError(UserError):
    """The tracker cannot be used now. No run is at fault, and none fails because of it."""


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended.

    `state` is complete, failed or interrupted. `values` are its counts and mean scores, by name; empty if they were not
    computed. `report` are the files of its report by their place in it, `sentences` what it says first, as Markdown, the
    answer before everything else.
    """

    state: RunState = RunState.COMPLETE
    values: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, Path] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()


class OpenSweep(Protocol):
    """A sweep in a tracker that is connected, and locked against other writers.

    The same runs published twice, or after an outage, or into an empty tracker, must look the same.
    """

    @property
    def at_a_time(self) -> int:
        """How many runs it takes at a time, each from a thread of its own."""

    def shown(self, run_id: str) -> str | None:
        """The signature (`Publication.signature`) of a run that is shown in full; None when it has to be published."""

    def run_started(self, run: Publication) -> int:
        """Show the run with its parameters, and its tags as they are now; returns the last epoch that is shown, 0 for none.

        A run whose folder no longer holds what is shown, because it was done again, is shown anew from the start.
        """

    def epochs(self, run: Publication, epochs: Sequence[Sequence[Point]]) -> None:
        """Add epochs, each of them completely or not at all."""

    def run_ended(self, run: Publication) -> None:
        """Add what only a run that has ended has: its summary, its files, its state."""

    def left(self, run_id: str) -> None:
        """Nothing of a run is there and no job is at work on it: if it is shown as going on, it is shown as interrupted."""

    def close(self, end: SweepEnd) -> None:
        """The sweep has ended."""


class Tracker(Protocol):
    """Shows the runs of one sweep somewhere. Nothing is contacted before the first `open`."""

    @property
    def place(self) -> str:
        """Where it shows the runs, for messages."""

    def open(self) -> AbstractContextManager[OpenSweep]:
        """Connect if necessary, and keep other writers out until the context ends.

        Raises:
            OutageError: the tracker cannot be used, here or at any point inside the context.

        """
