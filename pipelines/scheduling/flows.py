"""The Prefect flows: pretraining, sweep, report, study. One task per run, so that the user sees which run is going on.

Prefect schedules, retries and shows. The records on the disk decide what is complete, never Prefect.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import State, TaskRun
from prefect.events.worker import EventsWorker
from prefect.futures import PrefectFuture
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run, task_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from m2pt.config import Study, UserError
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from pipelines.execution.display.view import DATA, ENCODERS, REPORT, RUNS, SEARCH, TUNING
from pipelines.execution.expected import pace_of, phases
from pipelines.execution.process_environment import follow_parent, prepare
from pipelines.execution.progress import Display
from pipelines.execution.search import run_trials
from pipelines.execution.session import Outcome, Session
from pipelines.execution.tune import run_arms
from pipelines.planning import study_file
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, resolve
from pipelines.reporting.rendering import is_done, render_report, report_folder, require_choice
from pipelines.scheduling.artifacts import show_outcome
from pipelines.tracking.study import try_to_publish

Body = Callable[[Session], list[Outcome]]
Runner = ThreadPoolTaskRunner[Any]
_DIED = "WorkerDied"


def pretrain(session: Session) -> list[Outcome]:
    """Make the encoders of a study; inside a flow."""
    session.require_data()
    session.prepare(PRETRAINING)
    outcome = _do_all(session, PRETRAINING, session.look_again().unfinished(session.plan.pretrain))
    session.tidy()  # now that all have their ids
    return [outcome]


def sweep(session: Session) -> list[Outcome]:
    """Do the fine-tuning runs of a study whose encoders exist, those that tune rates first; inside a flow."""
    session.require_data()
    session.prepare(FINE_TUNING)
    if not session.look_again().arms:
        return [_do_all(session, FINE_TUNING, _ready(session, session.plan.runs))]
    among = run_arms(session, partial(_do_trials, session))
    return [_do_all(session, FINE_TUNING, _ready(session, among), among)]


def search(session: Session) -> list[Outcome]:
    """Do the trials of a study, then the runs that compare the chosen values with the declared ones; inside a flow.

    A failed trial does not fail the search. The search is left out while an encoder is missing.
    """
    session.require_data()
    session.prepare(FINE_TUNING)
    if not session.look_again().unfinished(session.plan.pretrain):
        run_trials(session, partial(_do_trials, session))
        session.tidy()  # runs of an earlier choice may come back from aside
    compared = session.look_again().compared
    return [_do_all(session, FINE_TUNING, _ready(session, compared), compared)]


def report(session: Session, out: Path) -> list[Outcome]:
    """Render the report of a study into `out`; inside a flow."""

    @task(name="report", task_run_name="report of {study}", cache_policy=NO_CACHE, persist_result=False)
    def render(study: str) -> None:
        get_run_logger().info("%s: the report is %s", study, render_report(session.look_again(), out))

    with session.display.during(REPORT, "reading the runs, drawing the figures"):
        render(session.study.study)
    return []


def complete_study(session: Session, out: Path) -> list[Outcome]:
    """Data if they are missing, encoders, runs, report; inside a flow."""

    @task(name="data", task_run_name="data of {study}", cache_policy=NO_CACHE, persist_result=False)
    def make_data(study: str) -> None:
        made = session.make_data()
        get_run_logger().info("%s: the data %s", study, "were made" if made else "exist already")

    session.prepare(PRETRAINING, FINE_TUNING)
    session.display.expect(phases(session.plan))
    if is_done(session.look_again(), out):
        get_run_logger().info("%s: everything is done, nothing to run", session.study.study)
        return [session.outcome(PRETRAINING), session.outcome(FINE_TUNING, session.plan.compared)]
    with session.display.during(DATA, "looking at the data"):
        make_data(session.study.study)
    outcomes = [*pretrain(session), *(sweep(session) if session.study.search is None else search(session))]
    report(session, out)
    require_choice(session.plan)
    return outcomes


def run(kind: str, session: Session, body: Body) -> list[Outcome]:
    """Do `body` inside a Prefect flow named `kind`; returns how the runs ended. Raises whatever the body raises."""
    outcomes: list[Outcome] = []
    faults: list[Exception] = []
    flow_runs: list[str] = []

    @flow(name=kind, flow_run_name=f"{kind} {session.study.study}", persist_result=False)
    def shown(study: str) -> State[None]:
        flow_runs.append(str(flow_run.get_id()))
        try:
            outcomes.extend(_watched(session, body))
        except Exception as error:  # raised again below, because Prefect would not raise it
            faults.append(error)
            return Failed(message=f"{type(error).__name__}: {error}")
        return _state(outcomes)

    _quiet()
    try:
        shown(session.study.study, return_state=True)
    finally:  # also on an interrupt: later there is no server, and Prefect would retry for a minute
        flush()
    _settle(flow_runs)
    if faults:
        raise faults[0]
    return outcomes


def _settle(flow_runs: Sequence[str]) -> None:
    """Wait, 10 s at most, until the server has recorded how all tasks ended: it does so a moment after it is sent that."""
    of_these = FlowRunFilter.model_validate({"id": {"any_": list(flow_runs)}})
    going_on = TaskRunFilter.model_validate({"state": {"type": {"any_": ["PENDING", "RUNNING"]}}})
    with get_client(sync_client=True) as client:
        for _ in range(100):
            if not client.read_task_runs(flow_run_filter=of_these, task_run_filter=going_on, limit=1):
                return
            time.sleep(0.1)


def _scheduled_name() -> str:
    return f"study {Path(str(flow_run.parameters['study'])).stem}"


@flow(name="study", flow_run_name=_scheduled_name, persist_result=False)
def study(study: str = "params.yaml") -> State[None]:
    """The complete study in a file, as a schedule starts it; ends at once as `Skipped` if the study is already running."""
    prepare()
    follow_parent()
    logger = get_run_logger()
    try:
        declared = study_file.load(study)
        session = Session(declared, Display())
    except UserError as error:
        return Failed(message=str(error))
    out = report_folder(Path(study), declared)
    with ExitStack() as stack:
        stack.enter_context(session.display)
        try:
            stack.enter_context(session)
        except UserError as error:
            logger.warning("%s", error)
            return Completed(name="Skipped", message=str(error))
        try:
            state = _state(_watched(session, partial(complete_study, out=out)))
        except UserError as error:
            return Failed(message=str(error))
    try_to_publish(resolve(declared), out, logger.warning)
    return state


def serve(file: Path, declared: Study, cron: str | None, every_s: float | None) -> None:
    """Put a study on a schedule on the Prefect server in use, and start its runs until this process is ended."""
    interval = None if every_s is None else timedelta(seconds=every_s)
    # Two at once: while one runs, the next can end as skipped, instead of running late.
    study.serve(
        name=declared.study,
        cron=cron,
        interval=interval,
        parameters={"study": str(file)},
        limit=2,
        print_starting_message=False,
    )


def flush() -> None:
    """Send what Prefect has not sent yet, because its server may end before this process does."""
    APILogWorker.drain_all(timeout=10, at_exit=False)
    EventsWorker.drain_all(timeout=10, at_exit=False)


def _quiet() -> None:
    """Keep Prefect's messages about single runs out of the terminal: our own display shows the runs."""

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return not record.name.startswith(("prefect.task_runs", "prefect.flow_runs", "prefect.task_runner"))

    for handler in logging.getLogger().handlers:
        handler.addFilter(from_elsewhere)


def _watched(session: Session, body: Body) -> list[Outcome]:
    """Do the body; on an exception, cancel the runs first, because Prefect would wait for them."""
    try:
        return body(session)
    except BaseException:
        session.stop()
        raise


def _ready(session: Session, specs: Sequence[RunSpec]) -> list[Spec]:
    return [spec for spec in session.plan.unfinished(specs) if session.plan.is_ready(spec)]


def _do_trials(session: Session, title: str, specs: Sequence[RunSpec]) -> None:
    get_run_logger().info("%s", title)
    _do(session, FINE_TUNING, SEARCH if session.study.search is not None else TUNING, title, len(specs), _ready(session, specs))


def _do_all(session: Session, kind: str, todo: Sequence[Spec], among: Sequence[RunSpec] | None = None) -> Outcome:
    total = len(among if among is not None else session.plan.pretrain if kind == PRETRAINING else session.plan.runs)
    phase = ENCODERS if kind == PRETRAINING else RUNS
    _do(session, kind, phase, f"{session.study.study}: {kind} runs", total, todo)
    outcome = session.outcome(kind, among)
    session.display.finish(phase, f"{session.study.study}: {outcome.sentence()}.", outcome.ok)
    get_run_logger().info("%s", outcome.sentence())
    show_outcome(session.study, outcome)
    return outcome


def _do(session: Session, kind: str, phase: str, title: str, total: int, todo: Sequence[Spec]) -> None:
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
        logger.error("%s: %s", name, ended.result)
        return Failed(name=_DIED if ended.died else "Failed", message=ended.result)

    return job


def _worker_died(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    return state.name == _DIED


def _state(outcomes: Sequence[Outcome]) -> State[None]:
    message = "; ".join(outcome.sentence() for outcome in outcomes) or "done"
    return (Completed if all(outcome.ok for outcome in outcomes) else Failed)(message=message)
