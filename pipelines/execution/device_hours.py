"""The device-hours of a study: what its runs have used so far, and whether that is all that it may use."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from m2pt.config import UserError
from m2pt.runs.attempts import Attempt, current_attempt, read_attempts
from pipelines.planning.folders import place_of
from pipelines.planning.plan import Plan

HOUR_S = 3600.0
LOOK_S = 1.0
"""Seconds from one look at the budget to the next."""


def seconds_used(run_dir: Path) -> float:
    """Device-seconds of the attempts at a run that have ended: seconds times devices.

    Of an attempt that was killed, what the ledger keeps once another one has begun: the time up to its last complete epoch.
    """
    return sum(attempt.seconds.get("total", 0.0) * attempt.devices for attempt in read_attempts(run_dir))


def current(run_dir: Path) -> Attempt | None:
    """The attempt at a run that goes on, or was killed; None if there is none, or it ends or begins at this moment."""
    try:
        return current_attempt(run_dir)
    except UserError:
        return None


def seconds_since(attempt: Attempt) -> float:
    """Seconds since an attempt has begun, by the clock of this machine."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(attempt.started)).total_seconds())


def used(plan: Plan) -> float:
    """Device-seconds of the runs of a study, pretraining and trials included, without attempts that go on."""
    folders = [plan.run_dir(spec) for spec in plan.specs]
    return sum(seconds_used(place_of(run_dir)) for run_dir in folders if run_dir is not None)


@dataclass(frozen=True)
class _Going:
    """A run that may be going on: what it had used before, and an attempt that was killed before, if there was one."""

    run_dir: Path
    before_s: float
    killed: Attempt | None

    def more_s(self) -> float:
        """Device-seconds that it has used since."""
        attempt = current(self.run_dir)
        ended_s = seconds_used(self.run_dir) - self.before_s
        if attempt is None or (self.killed is not None and attempt.started == self.killed.started):
            return ended_s
        return ended_s + seconds_since(attempt) * attempt.devices


class DeviceHours:
    """The budget of a study, `limit_h` device-hours in all, while its runs go on. Many threads may use it.

    What saving takes is kept in reserve, `saving_s` seconds on each device in use (`slots` runs at once, on `devices` each), so
    that the runs end before the budget is passed. Once it is spent, it stays so.
    """

    def __init__(self, limit_h: float, before_s: float, slots: int, devices: int, saving_s: float) -> None:
        self.limit_h = limit_h
        self._before_s, self._slots, self._reserve_s = before_s, slots, devices * (saving_s + LOOK_S)
        self._going: dict[Path, _Going] = {}
        self._spent = False
        self._guard = threading.Lock()

    @property
    def hours(self) -> float:
        """Device-hours that were used so far."""
        with self._guard:
            return self._used_s() / HOUR_S

    def is_spent(self, more: int = 0) -> bool:
        """Whether the runs that go on, and `more` that would begin, have to end now for saving to be within the budget."""
        with self._guard:
            saving_s = min(len(self._going) + more, self._slots) * self._reserve_s
            self._spent = self._spent or self._used_s() + saving_s >= self.limit_h * HOUR_S
            return self._spent

    @contextmanager
    def counting(self, run_dir: Path) -> Iterator[None]:
        """While the context is open, a run may be going on; after it, what the run has used is added up."""
        with self._guard:
            self._going[run_dir] = going = _Going(run_dir, seconds_used(run_dir), current(run_dir))
        try:
            yield
        finally:
            with self._guard:
                del self._going[run_dir]
                self._before_s += seconds_used(run_dir) - going.before_s

    def _used_s(self) -> float:
        return self._before_s + sum(going.more_s() for going in self._going.values())


def budget_of(plan: Plan, slots: int) -> DeviceHours | None:
    """The budget that a study declares (`execution.max_device_hours`), as far as it is used now; None if it declares none.

    Raises:
        UserError: its runs are submitted to a scheduler, so that nobody would watch over the budget.

    """
    execution = plan.study.execution
    if execution.max_device_hours is None:
        return None
    if execution.engine == "slurm":
        raise UserError(
            "execution.max_device_hours: jobs of SLURM go on without a command that could watch over a budget; "
            "remove it, and limit the account or the partition in SLURM."
        )
    return DeviceHours(execution.max_device_hours, used(plan), slots, execution.devices_per_job, execution.stop_limit_s)
