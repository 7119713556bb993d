"""The runs of a study as Prefect tasks: one for each, so that the user sees which one is going on."""

import itertools
import queue
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from m2pt.runs.spec import Spec
from pipelines.execution.expected import pace_of
from pipelines.execution.priority import in_order, starts_of
from pipelines.execution.session import Session

Runner = ThreadPoolTaskRunner[Any]
_DIED = "WorkerDied"
_AHEAD = 1
"""Tasks beyond what the engine does at once: the next one is ready in Prefect when a slot becomes free."""


class StoppedError(Exception):
    """The session was told to stop, so that what follows its runs is not done."""


def do_runs(session: Session, kind: str, phase: str, title: str, total: int, todo: Sequence[Spec]) -> None:
    """Do runs of a kind, shown as a phase with a title, as many at once as the engine does, the longest first.

    Raises:
        StoppedError: the session was stopped before all of them had ended.

    """
    pace = pace_of(session.plan, todo, session.engine.capacity)
    session.display.begin(phase, total, total - len(todo), title, pace)
    if todo:
        session.warm()
        runner: Runner = ThreadPoolTaskRunner(max_workers=session.engine.capacity + _AHEAD)
        with runner:
            try:
                _submit_all(runner, session, kind, in_order(session.plan, todo, pace))
            except BaseException:
                session.stop()
                raise
    if session.stopped:
        raise StoppedError


def _submit_all(runner: Runner, session: Session, kind: str, todo: Sequence[Spec]) -> None:
    """One task per run, in their order, as soon as the engine can take it; an encoder that starts from another waits for it."""
    left = {session.plan.label(spec): spec for spec in todo}
    starts = starts_of(session.plan, todo)
    begun = {name: threading.Event() for name in left}
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    job = _task(session, kind, dict(left), begun)
    futures: dict[str, PrefectFuture[Any]] = {}
    going: set[str] = set()

    def over(name: str, _: object) -> None:
        begun[name].set()
        ended.put(name)

    while left and not session.stopped:
        ready = (name for name in left if starts.get(name) not in left and starts.get(name) not in going)
        for name in list(itertools.islice(ready, max(0, session.engine.capacity + _AHEAD - len(going)))):
            start = futures.get(starts.get(name, ""))
            futures[name] = runner.submit(job, {"name": name}, wait_for=[start] if start else None)
            futures[name].add_done_callback(partial(over, name))
            going.add(name)
            del left[name]
            begun[name].wait()  # so that they ask the engine for a slot in their order
        going.remove(ended.get())
    for future in futures.values():
        future.wait()


def _task(session: Session, kind: str, specs: dict[str, Spec], begun: Mapping[str, threading.Event]) -> Task[[str], Any]:
    @task(
        name=kind, task_run_name="{name}", retries=1, retry_condition_fn=_worker_died, cache_policy=NO_CACHE, persist_result=False
    )
    def job(name: str) -> State[None]:
        logger = get_run_logger()
        logger.info("%s: running", name)
        begun[name].set()
        ended = session.do(specs[name], again=task_run.run_count < 2)
        if ended.ok:
            logger.info("%s: %s", name, ended.result)
            return Completed(message=ended.result)
        if session.stopped:
            return Cancelled(message=ended.result)
        logger.error("%s: %s", name, ended.result)
        return Failed(name=_DIED if ended.died else "Failed", message=ended.result)

    return job


def _worker_died(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    return state.name == _DIED
