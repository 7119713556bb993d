"""The runs of a study as Prefect tasks: one for each, so that the user sees which one is going on."""

from collections.abc import Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.expected import pace_of
from pipelines.execution.session import Session

Runner = ThreadPoolTaskRunner[Any]
_DIED = "WorkerDied"


class StoppedError(Exception):
    """The session was told to stop, so that what follows its runs is not done."""


def do_runs(session: Session, kind: str, phase: str, title: str, total: int, todo: Sequence[Spec]) -> None:
    """Do runs of a kind, shown as a phase with a title, as many at once as the engine does.

    Raises:
        StoppedError: the session was stopped before all of them had ended.

    """
    pace = pace_of(session.plan, todo, session.engine.capacity)
    session.display.begin(phase, total, total - len(todo), title, pace)
    if todo:
        session.warm()
        # One more than the engine does at once: the next task is ready in Prefect when a slot becomes free.
        runner: Runner = ThreadPoolTaskRunner(max_workers=session.engine.capacity + 1)
        with runner:
            try:
                _submit_all(runner, session, kind, todo)
            except BaseException:
                session.stop()
                raise
    if session.stopped:
        raise StoppedError


def _submit_all(runner: Runner, session: Session, kind: str, todo: Sequence[Spec]) -> None:
    """One task per run; an encoder that starts from another one waits for it."""
    specs = {session.plan.label(spec): spec for spec in todo}
    job = _task(session, kind, specs)
    futures: dict[str, PrefectFuture[Any]] = {}
    for name, spec in specs.items():
        start = _start_of(spec, specs)
        futures[name] = runner.submit(job, {"name": name}, wait_for=[futures[start]] if start else None)
    for future in futures.values():
        future.wait()


def _start_of(spec: Spec, specs: dict[str, Spec]) -> str | None:
    if not isinstance(spec, PretrainSpec) or spec.start is None:
        return None
    starts = [other for other in specs.values() if isinstance(other, PretrainSpec) and other.source == spec.start.source]
    return next((other.name for other in starts if other.modality == spec.modality), None)


def _task(session: Session, kind: str, specs: dict[str, Spec]) -> Task[[str], Any]:
    @task(
        name=kind, task_run_name="{name}", retries=1, retry_condition_fn=_worker_died, cache_policy=NO_CACHE, persist_result=False
    )
    def job(name: str) -> State[None]:
        logger = get_run_logger()
        logger.info("%s: running", name)
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
