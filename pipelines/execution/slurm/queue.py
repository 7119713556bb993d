"""What of a study is in SLURM's queue."""

import getpass
import json
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import UserError
from m2pt.files.access import way_to_write
from pipelines.execution.process_environment import STATE

CONTINUATION = ""
"""Stands for the run of a job that does none, but submits what waits."""

_COMMAND_LIMIT_S = 120.0
"""`scancel` tries for 95 s to cancel a job that ends at that moment."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits, runs, or comes to its end: SLURM's id and state of it, and its node if it has one."""

    job: str
    state: str
    node: str


@dataclass(frozen=True)
class Submitted:
    """How many runs were submitted now, are in the queue since before, and wait for others and will be submitted after them.

    `again` are those submitted now that have failed before.
    """

    now: int
    again: int
    before: int
    waiting: int
    stuck: bool
    """Whether nothing is in the queue that could end the wait of those that wait."""

    def sentence(self) -> str:
        """What SLURM has to do, in a sentence."""
        words = f"{_runs(self.now)} submitted to SLURM" if self.now else "nothing new to submit to SLURM"
        words += f" ({self.again} of them failed before)" if self.again else ""
        words += f", {self.before} in its queue already" if self.before else ""
        if not self.waiting:
            return words
        then = "wait for encoders that do not exist" if self.stuck else "will be submitted when what they wait for has ended"
        return f"{words}; {_runs(self.waiting)} {then}"


def folder_of(study: str) -> Path:
    """Where the jobs of a study are written down, with what they print."""
    return STATE / "slurm" / study


def note(study: str, jobs: Mapping[str, str]) -> None:
    """Write down which run (its id) a job does, by job. Raises `UserError` if the file cannot be written."""
    path = folder_of(study) / "jobs.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"job": job, "run": run}) + "\n" for job, run in jobs.items())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); {way_to_write(error)}.") from error


def queued(study: str) -> dict[str, QueuedJob]:
    """The jobs of a study that have not ended, by the run that they do.

    Raises:
        UserError: SLURM does not answer.

    """
    runs = _noted(study)
    if not runs:
        return {}
    lines = ask("squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format=%i|%T|%N").splitlines()
    jobs = [QueuedJob(*map(str.strip, line.split("|"))) for line in lines]
    return {runs[job.job]: job for job in jobs if job.job in runs}


def counts(study: str) -> Counter[str]:
    """How many runs of a study are in SLURM's queue, by SLURM's name of their state. Raises `UserError` as `queued`."""
    return Counter(job.state for run, job in queued(study).items() if run != CONTINUATION)


def cancel(study: str) -> int:
    """Cancel the jobs of a study that have not ended; their runs save. Returns how many. Raises `UserError` as `queued`."""
    jobs = [job.job for job in queued(study).values()]
    for start in range(0, len(jobs), 500):
        ask("scancel", *jobs[start : start + 500])
    return len(jobs)


def ask(*command: str) -> str:
    """What a command of SLURM prints.

    Raises:
        UserError: it is not there, or fails.

    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_COMMAND_LIMIT_S).stdout
    except FileNotFoundError as error:
        raise UserError(f"execution.engine: {command[0]} is not here; call m2pt where one submits jobs to SLURM.") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"execution.engine: SLURM does not answer ({command[0]}, {_COMMAND_LIMIT_S:g} s).") from error
    except subprocess.CalledProcessError as error:
        said = [line.strip().removeprefix(f"{command[0]}: error: ") for line in error.stderr.splitlines() if line.strip()]
        raise UserError(f"execution.engine: SLURM refuses {command[0]} ({said[-1] if said else 'without a word'}).") from error


def _noted(study: str) -> dict[str, str]:
    try:
        lines: Sequence[str] = (folder_of(study) / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    noted = {}
    for line in lines:
        try:
            entry = json.loads(line)
            noted[str(entry["job"])] = str(entry["run"])
        except (ValueError, KeyError, TypeError):  # a line of a submission that was cut off
            continue
    return noted


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
