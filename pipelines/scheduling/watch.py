"""Watches a flow run while it goes on: paused, suspended or cancelled on its page, out of time, left by what started it."""

import os
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State

from pipelines.scheduling.pages import UNREACHABLE, client, impatient

LOOK_EVERY_S = 1.0
_LEAVE_S = 1.0
"""A look at a server that does not answer may go on for longer; nobody needs what it sees then."""


class Reason(StrEnum):
    """Why the runs were stopped."""

    PAUSED = "paused"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    BUDGET = "budget"
    STOPPED = "stopped"
    LEFT = "left"


class Watch:
    """Calls `stop` once, from a thread of its own, when the runs of a flow run should end; `reason` says why afterwards.

    `flow_run` tells its id, None as long as there is none.

    `budget_s` is the time they have; `asks` tells any other reason. `served` says that a runner or a worker has started this
    process; when that has ended, this flow run has nobody to report to, and its runs end too.
    """

    def __init__(
        self,
        flow_run: Callable[[], UUID | None],
        stop: Callable[[], None],
        asks: Callable[[], Reason | None],
        budget_s: float | None,
        served: bool,
    ) -> None:
        self.reason: Reason | None = None
        self.state: State[Any] | None = None
        self._flow_run, self._stop, self._asks = flow_run, stop, asks
        self._deadline = None if budget_s is None else time.monotonic() + budget_s
        self._parent = os.getppid() if served else None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch-flow-run", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(_LEAVE_S)

    def _look(self) -> None:
        with impatient(), client() as prefect:
            while not self._over.wait(LOOK_EVERY_S):
                self.reason = self._reason(prefect)
                if self.reason is Reason.LEFT:
                    _print_to_nobody()
                if self.reason is not None:
                    self._stop()
                    return

    def _reason(self, prefect: SyncPrefectClient) -> Reason | None:
        if self._parent is not None and os.getppid() != self._parent:
            return Reason.LEFT
        if self._deadline is not None and time.monotonic() > self._deadline:
            return Reason.BUDGET
        if (asked := self._asks()) is not None:
            return asked
        flow_run = self._flow_run()
        self.state = None if flow_run is None else state_of(prefect, flow_run)
        return None if self.state is None else reason_in(self.state)


def _print_to_nobody() -> None:
    """Let what is printed go nowhere: its reader has ended with what started this process, and a line would raise an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def reason_in(state: State[Any]) -> Reason | None:
    """Why runs must stop in a state of their flow run; None if they may go on."""
    if state.is_paused():
        return Reason.SUSPENDED if state.state_details.pause_reschedule else Reason.PAUSED
    return Reason.CANCELLED if state.is_cancelling() or state.is_final() else None


def state_of(prefect: SyncPrefectClient, flow_run: UUID) -> State[Any] | None:
    """The state of a flow run; None while the server does not answer: it may be starting again."""
    try:
        return prefect.read_flow_run(flow_run).state
    except UNREACHABLE:
        return None


def wait_while_paused(flow_run: UUID, served: bool) -> Reason | None:
    """Wait until a paused flow run goes on; returns None then, otherwise why it does not."""
    parent = os.getppid()
    with impatient(), client() as prefect:
        while True:
            if served and os.getppid() != parent:
                return Reason.LEFT
            state = state_of(prefect, flow_run)
            reason = Reason.PAUSED if state is None else reason_in(state)
            if reason is not Reason.PAUSED:
                return reason
            time.sleep(LOOK_EVERY_S)
