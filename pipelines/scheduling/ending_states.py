"""In which state a flow run ends, and what its message says."""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Crashed, Failed, Suspended

from pipelines.execution.session import Session
from pipelines.planning.plan import FINE_TUNING, PRETRAINING
from pipelines.scheduling.choice import EVERYTHING, Choice
from pipelines.scheduling.turns import Ending
from pipelines.scheduling.watch import Reason

LEFT_ALONE = (Reason.CANCELLED, Reason.STOPPED)
"""After these a flow run publishes nothing more: somebody waits for its process to end."""

BUDGET_SPENT = "BudgetSpent"

_GO_ON = "the next start goes on from the last checkpoints"
_MOST_NAMED = 8


def state_after(session: Session, ending: Ending, choice: Choice = EVERYTHING) -> State[Any]:
    """The state in which a flow run ends; of one that was suspended the state that it has: it ends without another one."""
    match ending.reason:
        case Reason.SUSPENDED:
            session.shown.log(f"{session.study.study}: suspended; its runs wait at their last checkpoints")
            return Suspended() if ending.state is None else ending.state
        case Reason.CANCELLED:
            return Cancelled(message=f"cancelled; {_GO_ON}")
        case Reason.STOPPED:
            return Cancelled(message=f"stopped by `m2pt stop`; {_GO_ON}")
        case Reason.LEFT:
            return Crashed(message=f"the runner or worker that started it has ended; {_GO_ON}")
        case Reason.BUDGET:
            return Completed(name=BUDGET_SPENT, message=budget_is_spent(session, choice))
    message = "; ".join(outcome.sentence() for outcome in ending.outcomes) or "done"
    return (Completed if all(outcome.ok for outcome in ending.outcomes) else Failed)(message=message)


def budget_is_spent(session: Session, choice: Choice = EVERYTHING) -> str:
    """How far the chosen runs came when a budget was spent, and which are missing."""
    plan = session.look_again()
    encoders = session.outcome(PRETRAINING, choice.encoders(plan))
    runs = session.outcome(FINE_TUNING, choice.runs(plan) if choice.is_part else plan.compared)
    missing = [*encoders.unfinished, *runs.unfinished]
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    words = [runs.sentence(), *([f"missing: {', '.join(missing[:_MOST_NAMED])}{more}"] if missing else [])]
    budget = session.budget
    if budget is None or not budget.is_spent():
        return f"the budget is spent: {'; '.join(words)}; {_GO_ON}"
    used = f"{budget.hours:.3g} of {budget.limit_h:g} device-hours are used and the rest is kept for saving"
    return f"the budget is spent ({used}): {'; '.join(words)}; raise execution.max_device_hours, and {_GO_ON}"
