"""Why the last attempt of a run failed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from m2pt.config import Frozen
from m2pt.files.documents import read_model, write_json
from m2pt.runs.folder import FAILURE

FailureKind = Literal["error", "time_limit", "worker_died"]


class Failure(Frozen):
    """The content of `local/failure.json`."""

    error: str
    """One sentence."""

    details: str = ""
    """A traceback, or the last output of a process that died."""

    kind: FailureKind = "error"
    """`worker_died`: not the run's own fault, so another attempt may succeed."""


def write_failure(run_dir: Path, failure: Failure) -> None:
    """Write the failure into the run's folder. Raises `UserError` as `write_json`."""
    write_json(run_dir / FAILURE, failure.model_dump(mode="json"))


def read_failure(run_dir: Path) -> Failure:
    """The failure of a failed run. Raises `UserError` as `read_model`."""
    return read_model(run_dir / FAILURE, Failure)


def by_reason(failures: Iterable[tuple[Sequence[str], str]]) -> dict[str, list[str]]:
    """The runs that failed for each reason, in their order, by the first of their names.

    Args:
        failures: for each run, the names that its reason may begin with (`NAME: what went wrong`), and the reason. A reason that
            begins so is the same as that of another run which begins with its own name.

    """
    grouped: dict[str, list[str]] = {}
    for names, reason in failures:
        own = next((name for name in names if reason.startswith(f"{name}: ")), None)
        shared = reason if own is None else reason.removeprefix(f"{own}: ")
        grouped.setdefault(shared, []).append(names[0])
    return grouped
