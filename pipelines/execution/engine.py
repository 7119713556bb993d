"""What an engine is: it does the jobs of runs, somewhere. An engine runs, records decide.

An engine never decides what is complete (the record does), never tries a job again by itself (the flow does), and changes no
number.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from m2pt.runs.environment import Compared
from m2pt.runs.folder import RunState, is_complete
from m2pt.runs.inputs import JobInputs


@dataclass(frozen=True)
class JobResult:
    """How a job left its run: `error` says why the run is not complete, in a sentence.

    `slot` names where the job was done. `seconds` is the time spent on it, without the wait for a slot. `died` says that
    its process ended, or was told to, for a reason that was not the run's: another attempt may succeed.
    """

    run_dir: Path
    status: Literal[RunState.COMPLETE, RunState.FAILED]
    error: str | None
    slot: str
    seconds: float
    died: bool = False


def result_of(run_dir: Path, error: str | None, slot: str, seconds: float) -> JobResult:
    """The result of a job that has ended: complete if the run has its record, whatever the job said or how it died."""
    if is_complete(run_dir):
        return JobResult(run_dir, RunState.COMPLETE, None, slot, seconds)
    return JobResult(run_dir, RunState.FAILED, error or "the job ended without a record", slot, seconds)


class Engine(Protocol):
    """Does jobs, as many at once as its capacity. Nothing is started before the first `warm` or `run`."""

    @property
    def capacity(self) -> int:
        """How many jobs it does at once; a caller gains nothing from starting many more."""

    def environment(self) -> Compared | None:
        """The environment in which it computes runs, to compare that of others with; None if it is not known before."""

    def warm(self, jobs: int) -> None:
        """Prepare for this many jobs, without waiting."""

    def run(self, run_dir: Path, inputs: JobInputs, time_limit_s: float) -> JobResult:
        """Do the job of one run; blocks until it has ended. Many threads may call this at once.

        `inputs` are written to the run's `local/inputs.json`, with the device. A job that dies or exceeds the time limit leaves
        `local/failure.json`; one that `close` cancelled does not, and continues from its checkpoint at the next start.
        """

    def close(self) -> None:
        """Cancel the jobs that are going on and free everything; a second call does nothing."""
