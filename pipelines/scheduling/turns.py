"""The runs of a flow run, in turns: a pause on its page ends a turn at the checkpoints, and going on begins the next one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State

from pipelines.execution.session import Outcome, Session
from pipelines.scheduling.run_tasks import StoppedError
from pipelines.scheduling.watch import Reason, Watch, wait_while_paused

Body = Callable[[Session], list[Outcome]]


@dataclass(frozen=True)
class Ending:
    """How the runs of a flow run ended: `reason` says why they were stopped, `state` in which state of the flow run."""

    outcomes: list[Outcome] = field(default_factory=list)
    reason: Reason | None = None
    state: State[Any] | None = None


def in_turns(
    session: Session, body: Body, flow_run: Callable[[], UUID | None], served: bool = False, budget_s: float | None = None
) -> Ending:
    """Do the body as a flow run, which others can steer, until it has ended or its runs were stopped.

    A run that was stopped keeps its last checkpoint, from which the next turn, or the next start, goes on. The time of a pause is
    not part of the budget. On an exception the runs are cancelled.
    """
    while True:
        begun = time.monotonic()
        with Watch(flow_run, session.stop, partial(_asks, session), budget_s, served) as watch:
            try:
                return Ending(body(session))
            except StoppedError:
                reason = watch.reason or _asks(session)
            except BaseException:
                session.stop()
                raise
        if reason is Reason.PAUSED and (this := flow_run()) is not None:
            session.shown.log(f"{session.study.study}: paused; its runs wait at their last checkpoints")
            reason = wait_while_paused(this, served)
            if reason is None:
                session.shown.log(f"{session.study.study}: goes on")
                session.go_on()
                budget_s = None if budget_s is None else max(0.0, budget_s - (time.monotonic() - begun))
                continue
        return Ending(reason=reason, state=watch.state)


def _asks(session: Session) -> Reason | None:
    if session.is_asked_to_end:
        return Reason.STOPPED
    return Reason.BUDGET if session.budget is not None and session.budget.is_spent() else None
