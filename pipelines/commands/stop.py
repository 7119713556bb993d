"""`stop`: end a study that runs elsewhere, in another terminal or on another host that shares the folder."""

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState, is_complete
from pipelines.execution.holders import Holder, holder_of_run, holder_of_study
from pipelines.execution.program import as_called
from pipelines.execution.slurm import queue as slurm
from pipelines.execution.stop_request import ask, is_waiting, request_file, withdraw
from pipelines.planning import study_file
from pipelines.planning.folders import encoders_folder, runs_folder
from pipelines.planning.plan import resolve

TAKEN_WITHIN_S = 90.0
"""How long the process that is asked may take to notice: a host may not see a new file on a shared disk for a minute."""

_LOOK_EVERY_S = 0.2
_MOST_NAMED = 8


def stop(options: Namespace) -> int:
    """Ask the command that does a study to save its runs and end, wait until it has, and say what is left.

    Raises:
        UserError: it cannot be asked, or does not notice.

    """
    study = study_file.load(options.study)
    going = _going_on(study)
    doer = holder_of_study(study)
    if study.execution.engine == "slurm" and (cancelled := slurm.cancel(study.study)):
        print(f"{study.study}: cancelled {cancelled} job{'s' if cancelled > 1 else ''} of SLURM; their runs save.", flush=True)
        _comes_true(lambda: not slurm.queued(study.study) and not any(map(holder_of_run, going)))
        _tell(study, options.study, going)
        return 0
    if doer is None:
        print(f"{study.study}: {_without_command(going)}")
        return 0
    try:
        ask(study, doer)
        print(as_called(f"{study.study}: asked `m2pt` ({doer}) to save its runs and end."), flush=True)
        if not _comes_true(lambda: not is_waiting(study) or holder_of_study(study) != doer, TAKEN_WITHIN_S):
            raise UserError(_deaf(study, doer))
        if is_waiting(study):
            print(f"{study.study}: it ended before it took that, or has not answered for so long that it counts as dead.")
        _comes_true(lambda: holder_of_study(study) != doer)
    finally:
        withdraw(study)
    _tell(study, options.study, going)
    return 0


def _going_on(study: Study) -> list[Path]:
    """The folders of the runs that a process does now."""
    folders = (encoders_folder(study), runs_folder(study))
    places = (place for folder in folders if folder.is_dir() for place in sorted(folder.iterdir()))
    return [place for place in places if holder_of_run(place) is not None]


def _without_command(going: list[Path]) -> str:
    if not going:
        return "nothing runs."
    doers = "; ".join(f"{place.name} ({holder_of_run(place) or 'has just ended'})" for place in going[:_MOST_NAMED])
    return f"no command does it, but jobs go on that were started one by one; end their processes: {doers}."


def _deaf(study: Study, doer: Holder) -> str:
    return (
        f"{study.study}: the command that does it ({doer}) did not notice within {TAKEN_WITHIN_S:g} s that {request_file(study)} "
        f"asks it to end; end its process there: `kill -INT {doer.pid}`."
    )


def _tell(study: Study, file: Path, going: list[Path]) -> None:
    """What was stopped, and what is left."""
    for place in going:
        end = "was completed" if is_complete(place) else "was stopped; the next start goes on with it"
        print(f"  {place.name} {end}")
    plan = resolve(study, to_look=True)
    left = len(plan.unfinished(plan.specs))
    done = plan.counts()[RunState.COMPLETE]
    option = "" if file == Path("params.yaml") else f" --study {file}"
    print(f"{study.study}: stopped; {done} of {len(plan.specs)} runs are complete, {left} left for the next start.")
    print(as_called(f"Next: the same command again goes on. `m2pt status{option}` shows the study."))


def _comes_true(condition: Callable[[], bool], within_s: float | None = None) -> bool:
    until = None if within_s is None else time.monotonic() + within_s
    while not condition():
        if until is not None and time.monotonic() > until:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
