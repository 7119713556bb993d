"""Studies with `execution.engine: slurm`: what is left of them is submitted, and nobody waits for it."""

from m2pt.config import Study, UserError
from pipelines.execution.session import Session
from pipelines.execution.slurm.queue import Submitted
from pipelines.planning.plan import FINE_TUNING, PRETRAINING


def is_submitted(study: Study) -> bool:
    """Whether the runs of a study are submitted to a scheduler."""
    return study.execution.engine == "slurm"


def submitted(session: Session, *kinds: str) -> Submitted:
    """Submit what is left of these kinds.

    Raises:
        UserError: submitit is not installed; or the study cannot be submitted.

    """
    try:
        from pipelines.execution.slurm import submission
    except ModuleNotFoundError as error:
        raise UserError(
            f"execution.engine: {error.name} is not installed; `pip install 'm2pt[slurm]'`, or set execution.engine: local."
        ) from error
    return submission.submit(session, *kinds)


def submitted_study(session: Session) -> Submitted | None:
    """Make the data if they are missing, and submit what is left of a study; None if everything is complete.

    Raises:
        UserError: as `submitted`; or the data or the runs of the study cannot be used.

    """
    session.prepare(PRETRAINING, FINE_TUNING)
    session.make_data()
    plan = session.look_again()
    if not plan.unfinished(plan.specs) and not plan.to_come:
        return None
    return submitted(session, PRETRAINING, FINE_TUNING)
