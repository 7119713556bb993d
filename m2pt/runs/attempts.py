"""The attempts of a run: seconds, devices, energy, peak memory, inference, versions and git commit of each.

They are recorded and never hashed into an id.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, field_validator

from m2pt.config import Frozen, UserError
from m2pt.files.documents import read_lines, read_model, write_json
from m2pt.files.leases import require_leases
from m2pt.runs.environment import EnvironmentFacts
from m2pt.runs.folder import ATTEMPT, EXECUTION, TIMES


class Inference(Frozen):
    """Median times of a forward pass of the same `batch` rows in evaluation mode, in ms: of the final model and a plain one."""

    batch: int
    latency_ms: float
    plain_latency_ms: float


class Attempt(EnvironmentFacts):
    """One attempt at a run. What older code did not record, or an attempt did not measure, has the default."""

    started: str
    """UTC, ISO 8601."""

    resumed: bool | None = None
    """Whether it continued from a checkpoint; None in records of older code."""

    resumed_from_epoch: int = 0
    """The last complete epoch of that checkpoint."""

    devices: int = 1
    git_commit: str | None = None
    """The commit of m2pt's source, with `+changes` where files differ from it."""

    seconds: dict[str, float] = Field(default_factory=dict)
    """Wall-clock seconds by purpose (`load`, `train`, `evaluate`, `latency`, `total`); of a killed attempt `total` alone."""

    energy_joules: float | None = None
    """Energy of the devices during the attempt; None where they do not report it."""

    peak_memory_bytes: int | None = None
    """None where the system cannot separate it from earlier runs of the process."""

    inference: Inference | None = None
    """The time of a forward pass; None if the attempt did not get that far, or memory was short."""

    interrupted: bool = False
    """Whether it was killed; `seconds` then ends with its last complete epoch."""

    @field_validator("started")
    @classmethod
    def _is_a_time(cls, started: str) -> str:
        if datetime.fromisoformat(started).tzinfo is None:
            raise ValueError("has no time zone")
        return started

    @property
    def continued(self) -> bool:
        """Whether it continued from a checkpoint."""
        return bool(self.resumed_from_epoch) if self.resumed is None else self.resumed

    def seconds_of(self, purpose: str) -> float | None:
        """Seconds spent on one purpose; None where that is unknown, as for a killed attempt."""
        return self.seconds.get(purpose, None if self.interrupted or not self.seconds else 0.0)


NOT_RECORDED = Attempt.model_construct(started="")
"""Represents the attempts of a run whose folder was copied here without them."""


class _Ledger(Frozen):
    """The content of `local/execution.json`."""

    attempts: tuple[Attempt, ...]


_FORGET = "delete it: what the run took is unknown then, and its numbers are what they are"


def now() -> str:
    """The time, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_attempts(run_dir: Path) -> tuple[Attempt, ...]:
    """The attempts of a run that have ended, oldest first; empty for a run that was done elsewhere.

    They say what a run took, and none of its numbers. If the file is damaged, they are not known any more: nothing waits for it.
    """
    try:
        return _ledger(run_dir).attempts
    except UserError:
        return ()


def require_attempts(run_dir: Path) -> None:
    """Raise `UserError` if what is known of the attempts of a run is damaged, which no other command waits for."""
    _ledger(run_dir)
    _current(run_dir)


def _ledger(run_dir: Path) -> _Ledger:
    path = run_dir / EXECUTION
    return read_model(path, _Ledger, _FORGET) if path.is_file() else _Ledger(attempts=())


def _current(run_dir: Path) -> Attempt | None:
    path = run_dir / ATTEMPT
    return read_model(path, Attempt, _FORGET) if path.is_file() else None


def current_attempt(run_dir: Path) -> Attempt | None:
    """The attempt that is going on, or was killed and is not among `read_attempts` yet; None if its file is damaged."""
    try:
        return _current(run_dir)
    except UserError:
        return None


def contributing(attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """The attempts that a run's numbers come from: the last one that started over, and those that continued from it."""
    fresh_starts = [index for index, attempt in enumerate(attempts) if not attempt.continued]
    return attempts[fresh_starts[-1] if fresh_starts else 0 :]


def begin_attempt(run_dir: Path, attempt: Attempt) -> None:
    """Write down an attempt that begins, so that it is not forgotten if it is killed.

    If the one before it was killed, that one is added to the ledger, with the seconds up to the end of its last epoch. What it
    took beyond that, and its energy, is unknown.
    """
    killed = _killed(run_dir)
    if killed is not None:
        add_attempt(run_dir, killed)
    write_json(run_dir / ATTEMPT, attempt.model_dump(mode="json", exclude_unset=True))


def end_attempt(run_dir: Path, attempt: Attempt) -> None:
    """Add an attempt that has ended, in whatever way, to the ledger."""
    add_attempt(run_dir, attempt)
    require_leases()
    (run_dir / ATTEMPT).unlink(missing_ok=True)


def _killed(run_dir: Path) -> Attempt | None:
    """The attempt that was killed; None if there is none, or a power cut has damaged what is known of it."""
    try:
        attempt = current_attempt(run_dir)
        if attempt is None:
            return None
        started = datetime.fromisoformat(attempt.started).timestamp()
        last = max((line["time_ms"] / 1000 for line in read_lines(run_dir / TIMES)), default=started)
    except (UserError, ValueError, KeyError, TypeError):
        return None
    return attempt.model_copy(update={"interrupted": True, "seconds": {"total": round(max(0.0, last - started), 3)}})


def add_attempt(run_dir: Path, attempt: Attempt) -> None:
    """Append one attempt to the ledger of a run; a damaged ledger is kept beside the new one."""
    try:
        attempts = [*_ledger(run_dir).attempts, attempt]
    except UserError:
        (run_dir / EXECUTION).replace(run_dir / f"{EXECUTION}.damaged")
        attempts = [attempt]
    write_json(run_dir / EXECUTION, {"attempts": [one.model_dump(mode="json", exclude_unset=True) for one in attempts]})
