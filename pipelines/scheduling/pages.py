"""What a command does, as the pages of Prefect show it. Prefect runs nothing here, so that it decides nothing.

One thread sends what happens, in its order, once the server has started. While the server does not answer, it is tried again and
again; nobody waits for either but the end of the command: for a start until it is over, for an answer some seconds.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Running, to_state_create

from m2pt.config import UserError
from pipelines.execution.shown import End
from pipelines.scheduling.credentials import API_URL
from pipelines.scheduling.killed import forget, killed, noted
from pipelines.scheduling.server import is_ours
from pipelines.scheduling.settling import settle
from pipelines.tracking.address import without_password

UNREACHABLE = (httpx.HTTPError, PrefectException, OSError)
ANSWER_LIMIT_S = 5.0
"""A server that takes longer for one answer counts as one that does not answer."""

END_LIMIT_S = 10.0
"""So long the end of a command waits for what was not sent yet."""

START_LIMIT_S = 60.0
"""So long the end of a command waits for a server that is starting."""

_LEAVE_S = 1.0
_AGAIN_S = 1.0
_TOGETHER_S = 1.0
"""What happens within this time is sent together, when a run that began with it computes: nothing competes with its start."""

_LOGS = "/logs/"
_MOST_LINES = 500
_REFUSED = range(400, 429)
_THIS = "this flow run"
"""Stands for its id, which Prefect gives it."""

Request = tuple[str, Mapping[str, Any]]
"""A path of Prefect's API, and what is posted there."""


def away() -> str:
    """The sentence for a server that does not answer."""
    address = os.environ.get(API_URL, "")
    mend = f"; if its database is damaged, delete {os.environ.get('PREFECT_HOME', '.prefect')}" if is_ours(address) else ""
    return (
        f"Prefect's server at {without_password(address)} does not answer: the study goes on, and only Prefect's pages lack what "
        f"happens until it answers{mend}."
    )


def client() -> SyncPrefectClient:
    """A client that gives up soon. Call it, and use it, inside `impatient`."""
    return get_client(sync_client=True, httpx_settings={"timeout": ANSWER_LIMIT_S})


def impatient() -> Any:
    """While the context is open, Prefect's client in this thread does not try again by itself, which would take minutes."""
    return temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0})


@dataclass(frozen=True)
class _Task:
    pages: "Pages"
    id: UUID

    def log(self, message: str, error: bool = False) -> None:
        self.pages.send_log(message, error, self.id)

    def end(self, state: End, message: str = "") -> None:
        self.pages.send_state(f"/task_runs/{self.id}", State(type=StateType(state), message=message))


class Pages:
    """The pages of one flow run, `flow_run`, which is None until Prefect has been told of it; if it cannot be, nothing is shown.

    `say` is told, once, that the server does not answer. `begin` has Prefect make the flow run of a command, in the thread.
    """

    def __init__(
        self, flow_run: UUID | None, say: Callable[[str], object], begin: Callable[[], UUID | None] | None = None
    ) -> None:
        self.flow_run = flow_run
        self._say = say
        self._begin = begin
        self._begun = threading.Event()
        self._known_by: float | None = None
        self._guard = threading.Lock()
        self._told = self._quiet = False
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._over = threading.Event()
        self._over_at = 0.0
        self._thread = threading.Thread(target=self._send_all, name="pages", daemon=True)

    @classmethod
    def of(cls, kind: str, study: str, say: Callable[[str], object], ready: Callable[[], bool]) -> "Pages":
        """The pages of a new flow run of a study, as soon as a server is `ready`; without one nothing is shown."""
        key = str(uuid4())  # by which Prefect knows a flow run that it made, though its answer was lost
        settled = threading.Event()

        def begin() -> UUID | None:
            if not ready():
                return None
            with impatient():
                if not settled.is_set():
                    settled.set()
                    with suppress(*UNREACHABLE):
                        if killed() and (sentence := settle()):
                            say(f"{study}: {sentence}")
                with client() as prefect:
                    flow = prefect.create_flow_from_name(kind)
                    body = {"flow_id": str(flow), "name": f"{kind} {study}", "state": _state(Running())}
                    body |= {"parameters": {"study": study}, "idempotency_key": key}
                    return UUID(prefect.request("POST", "/flow_runs/", json=body).json()["id"])

        return cls(None, say, begin)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        is_interrupt = error is not None and not isinstance(error, Exception)
        try:
            if not is_interrupt:
                self.known()
            limit_s = _LEAVE_S if is_interrupt and not self._begun.is_set() else END_LIMIT_S
            self._end_by(time.monotonic() + limit_s)
            self._thread.join(limit_s)
        finally:
            self._quiet = True
            self._end_by(time.monotonic())
            if self._begin is not None and self.flow_run is not None:
                forget(self.flow_run)  # whatever was not sent, this process was not killed

    def _end_by(self, moment: float) -> None:
        self._over_at = moment
        self._over.set()
        self._queue.put(None)

    def known(self) -> UUID | None:
        """The flow run, once Prefect has been told of it; None if it could not be, within a limit from the first call on."""
        self._known_by = self._known_by or time.monotonic() + START_LIMIT_S
        if not self._begun.wait(max(0.0, self._known_by - time.monotonic())):
            self._tell_away()
        return self.flow_run

    def log(self, message: str) -> None:
        """Add a line to the log of the flow run."""
        self.send_log(message, error=False, task=None)

    def begin(self, kind: str, name: str) -> _Task:
        """A task run goes on from now."""
        task = _Task(self, uuid4())
        body = {"id": str(task.id), "task_key": kind, "dynamic_key": str(task.id), "name": name, "state": _state(Running())}
        self._put("/task_runs/", body | {"flow_run_id": _THIS})
        return task

    def keep(self, kind: Literal["markdown", "table"], key: str, data: str | Sequence[object], description: str) -> None:
        """Keep an artifact with the flow run; the pages read a table from a text, as Prefect's own functions send it."""
        text = data if isinstance(data, str) else json.dumps(data)
        body = {"type": kind, "key": key, "data": text, "description": description, "flow_run_id": _THIS}
        self._put("/artifacts/", body)

    def end(self, state: State[Any]) -> None:
        """The flow run has ended."""
        self.send_state(f"/flow_runs/{_THIS}", state)

    def send_state(self, path: str, state: State[Any]) -> None:
        """Whatever state it was in before: a server that was away has not seen it."""
        self._put(f"{path}/set_state", {"state": _state(state), "force": True})

    def send_log(self, message: str, error: bool, task: UUID | None) -> None:
        """Add a line to a log."""
        line = {"name": "m2pt", "level": logging.ERROR if error else logging.INFO, "message": message}
        line |= {"timestamp": datetime.now(UTC).isoformat(), "flow_run_id": _THIS}
        self._put(_LOGS, {"lines": [line | ({} if task is None else {"task_run_id": str(task)})]})

    def _put(self, path: str, body: Mapping[str, Any]) -> None:
        if self.flow_run is not None or not self._begun.is_set():
            self._queue.put((path, body))

    def _send_all(self) -> None:
        try:
            self._open()
        finally:
            self._begun.set()
        if self.flow_run is None:
            return
        with ExitStack() as stack:
            if self._begin is not None:  # a scheduled one is noted by its process
                with suppress(UserError, OSError):  # a kill would leave it as going on, and nothing else depends on that
                    stack.enter_context(noted(str(self.flow_run)))
            stack.enter_context(impatient())
            prefect = stack.enter_context(client())
            goes_on = True
            while goes_on:
                requests, goes_on = self._next()
                for request in requests:
                    while not self._sent(prefect, *request):
                        self._tell_away()
                        if self._is_late:
                            return
                        time.sleep(_AGAIN_S)

    def _open(self) -> None:
        """Have Prefect make the flow run, however late its server answers."""
        while self._begin is not None and self.flow_run is None:
            try:
                if (made := self._begin()) is None:
                    return
                self.flow_run = made
            except (*UNREACHABLE, UserError, ValueError, KeyError):
                self._tell_away()
                if self._is_late:
                    return
                self._over.wait(_AGAIN_S)

    @property
    def _is_late(self) -> bool:
        return self._over.is_set() and time.monotonic() > self._over_at

    def _next(self) -> tuple[list[Request], bool]:
        """What is to be sent next, the lines of logs last and together, and whether more may come after it."""
        requests: list[Request] = []
        lines: list[object] = []
        with suppress(Empty):
            request = self._queue.get()
            self._over.wait(_TOGETHER_S)
            while request is not None:
                path, body = request
                if path == _LOGS:
                    lines += body["lines"]
                else:
                    requests.append(request)
                request = self._queue.get_nowait()
            return [*requests, *_logged(lines)], False
        return [*requests, *_logged(lines)], True

    def _sent(self, prefect: SyncPrefectClient, path: str, body: Mapping[str, Any]) -> bool:
        """Whether a request needs to be sent no more: it was taken, or refused for good."""
        this = str(self.flow_run)
        try:
            post: Callable[..., object] = prefect.request  # its type is a list of routes, without what stands in them
            post("POST", path.replace(_THIS, this), json=_of(this, body))
        except httpx.HTTPStatusError as error:
            if error.response.status_code in _REFUSED:
                lines = body.get("lines", ())
                halves = (lines[: len(lines) // 2], lines[len(lines) // 2 :]) if len(lines) > 1 else ()
                return all(self._sent(prefect, path, {"lines": half}) for half in halves)
            return False
        except UNREACHABLE:
            return False
        return True

    def _tell_away(self) -> None:
        with self._guard:
            told, self._told = self._told, True
        if not told and not self._quiet:
            self._say(away())


def _of(this: str, body: Mapping[str, Any]) -> object:
    """What is posted of a flow run."""
    if "lines" in body:
        return [line | {"flow_run_id": this} for line in body["lines"]]
    return {**body, "flow_run_id": this} if "flow_run_id" in body else body


def _logged(lines: Sequence[object]) -> list[Request]:
    return [(_LOGS, {"lines": lines[first : first + _MOST_LINES]}) for first in range(0, len(lines), _MOST_LINES)]


def _state(state: State[Any]) -> dict[str, Any]:
    return to_state_create(state).model_dump(mode="json")
