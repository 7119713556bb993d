"""How one run ended; how the runs of one kind did, in sentences; and what a run scored, in a few words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from m2pt.analysis.numbers.rounding import rounded
from m2pt.runs.failure import by_reason
from m2pt.runs.record import read_record


@dataclass(frozen=True)
class Ended:
    """How one run ended: `result` says it in words; `died` says that its worker did, so that another attempt may succeed.

    `seconds` is the time spent on it, without the wait for a slot.
    """

    ok: bool
    result: str
    died: bool = False
    seconds: float = 0.0


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


def scores(run_dir: Path, splits: Sequence[str] = ("val", "test")) -> str:
    """The result of a complete run on some splits in a few words."""
    record = read_record(run_dir)
    named = {split: getattr(record, f"{split}_score", None) for split in splits}
    is_loss = record.metric.endswith("loss")
    words = {
        split: f"loss {value:.3g}" if is_loss else f"{rounded(value, 1)} %" for split, value in named.items() if value is not None
    }
    return ", ".join(f"{split} {value}" for split, value in words.items())
