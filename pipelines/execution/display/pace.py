"""How long the runs of a phase will still take, from how long others of their kind took: on record, and in this execution."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Kinds = tuple[str, ...]
"""What a run is, the closest description first: runs of one kind take about equally long."""


@dataclass
class Mean:
    """The mean of `count` durations, in seconds."""

    count: int = 0
    mean: float = 0.0

    def add(self, seconds: float) -> None:
        """Take in one more duration."""
        self.count += 1
        self.mean += (seconds - self.mean) / self.count


@dataclass
class Pace:
    """What is known about the durations of the runs of a phase.

    `kinds` are the kinds of each run that is to be done, by its name; `known` the durations by kind, `slots` how many runs go on
    at once.
    """

    kinds: dict[str, Kinds]
    known: dict[str, Mean] = field(default_factory=dict)
    slots: int = 1

    def ended(self, name: str, seconds: float) -> None:
        """A run has ended that took this long."""
        self.learn(self.kinds.get(name, ()), seconds)

    def learn(self, kinds: Iterable[str], seconds: float) -> None:
        """A run of these kinds took this long."""
        for kind in kinds:
            self.known.setdefault(kind, Mean()).add(seconds)

    def left(self, waiting: Iterable[str], running: Mapping[str, float]) -> float | None:
        """Estimated seconds until all runs have ended.

        None while not one duration is known. A run of a kind of which nothing is known is taken to be as long as the others.

        Args:
            waiting: the runs that have not started.
            running: those that go on, with the seconds since they started.

        """
        if not self.known:
            return None
        rest = [max(0.0, self.expected(name) - since) for name, since in running.items()]
        whole = [self.expected(name) for name in waiting]
        # No run is shared between slots, so the end is never earlier than that of the longest.
        return max([(sum(rest) + sum(whole)) / max(1, self.slots), *rest, *whole], default=0.0)

    def knows(self, name: str) -> bool:
        """Whether runs of the same closest kind as this one have ended."""
        return any(kind in self.known for kind in self.kinds.get(name, ())[:1])

    def expected(self, name: str) -> float:
        """Seconds that a run takes, by those of its kind, the closest first, or else by all; something must be known."""
        for kind in self.kinds.get(name, ()):
            if kind in self.known:
                return self.known[kind].mean
        count = sum(mean.count for mean in self.known.values())
        return sum(mean.count * mean.mean for mean in self.known.values()) / count
