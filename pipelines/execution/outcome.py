"""How the runs of one kind ended, in sentences."""

from dataclasses import dataclass, field

from m2pt.runs.failure import by_reason


@dataclass
class Outcome:
    """How the runs of one kind ended; `failed`, `waiting` and `left` (stopped, or not begun) say why, by name."""

    kind: str
    total: int
    complete: int
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every run is complete."""
        return self.complete == self.total

    @property
    def unfinished(self) -> dict[str, str]:
        """Why each run that is not complete is not, by name."""
        return self.failed | self.waiting | self.left

    def sentence(self) -> str:
        """The outcome in one sentence."""
        parts = [f"{self.complete} of {self.total} {self.kind} runs are complete"]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += [f"{len(self.waiting)} wait for encoders that do not exist yet"] if self.waiting else []
        parts += [f"{len(self.left)} left for the next start"] if self.left else []
        return ", ".join(parts)

    def failures(self) -> list[str]:
        """A sentence for each reason for which several runs failed, with their number."""
        reasons = by_reason(((name,), reason) for name, reason in self.failed.items())
        return [f"{len(runs)} runs failed: {reason}" for reason, runs in reasons.items() if len(runs) > 1]
