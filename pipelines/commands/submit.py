"""`study`, `pretrain` and `sweep` with `execution.engine: slurm`: they submit what is left, and wait for nothing."""

import os
from pathlib import Path

from m2pt.config import Study, UserError
from pipelines.execution.display.view import SETTING_UP
from pipelines.execution.program import as_called
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.execution.slurm.queue import Submitted
from pipelines.execution.submitting import submitted, submitted_study
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import study_option
from pipelines.tracking.study import try_to_publish

_OF_DVC = "DVC_ROOT"
"""Is set by DVC for the commands of its stages."""


def submit(session: Session, file: Path, *kinds: str) -> int:
    """Submit what is left of these kinds, and say so; returns the exit code.

    Raises:
        UserError: the study cannot be submitted, or not by DVC; or its runs wait for encoders.

    """
    _require_no_dvc(file)
    return _tell(session, file, submitted(session, *kinds))


def submit_study(study: Study, file: Path, out: Path, display: Display) -> int | None:
    """Make the data, and submit what is left of a study; returns the exit code, None if everything is complete."""
    with Session(study, display) as session:
        display.prepare(SETTING_UP, "looking at the data and the runs")
        _require_no_dvc(file)
        if (done := submitted_study(session)) is None:
            return None
        code = _tell(session, file, done)
    try_to_publish(resolve(study), out, display.say)
    return code


def _require_no_dvc(file: Path) -> None:
    if _OF_DVC in os.environ:
        raise UserError(
            f"{file}: its runs are submitted to SLURM, for which DVC cannot wait; call `m2pt study` until they are complete."
        )


def _tell(session: Session, file: Path, done: Submitted) -> int:
    name, display = session.study.study, session.display
    if done.waiting and done.stuck:
        raise UserError(f"{file}: the runs wait for encoders that do not exist yet; run `m2pt pretrain` or `m2pt study` first.")
    display.finish(SETTING_UP)
    display.say(f"{name}: {done.sentence()}.")
    display.say(as_called(f"Next: `m2pt status{study_option(file)}` shows them; this command again brings in what has ended."))
    return 0
