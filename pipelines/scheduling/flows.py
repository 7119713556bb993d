"""Pretraining, sweep, report, study: as a command does them, and as the flow that a schedule of Prefect's starts.

Prefect schedules and shows (`pages`). The records on the disk decide what is complete, never Prefect.
"""

import atexit
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Crashed, Failed

from m2pt.config import UserError
from m2pt.config.methods import MethodName
from m2pt.runs.spec import RunSpec, Spec
from pipelines.execution.display.view import DATA, ENCODERS, REPORT, RUNS, SEARCH, TUNING
from pipelines.execution.expected import phases
from pipelines.execution.process_environment import follow_parent, prepare
from pipelines.execution.progress import Display
from pipelines.execution.search import run_trials
from pipelines.execution.session import Outcome, Session
from pipelines.execution.stop_request import heeded
from pipelines.execution.submitting import is_submitted, submitted_study
from pipelines.execution.tune import run_arms
from pipelines.planning import study_file
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan, resolve
from pipelines.reporting.rendering import is_done, render_report, report_folder, require_choice
from pipelines.scheduling.artifacts import show_outcome, show_report
from pipelines.scheduling.choice import EVERYTHING, Choice, choose, require_runs
from pipelines.scheduling.ending_states import BUDGET_SPENT, LEFT_ALONE, budget_is_spent, state_after
from pipelines.scheduling.form import AS_DECLARED, engine_name, study_path, tell_unknown_fields
from pipelines.scheduling.killed import noted
from pipelines.scheduling.notice import tell_end
from pipelines.scheduling.pages import Pages
from pipelines.scheduling.run_tasks import do_runs
from pipelines.scheduling.turns import Body, in_turns
from pipelines.scheduling.watch import Reason
from pipelines.tracking.study import try_to_publish


def pretrain(session: Session, choice: Choice = EVERYTHING) -> list[Outcome]:
    """Make the encoders of a study; inside a flow."""
    session.require_data()
    session.prepare(PRETRAINING)
    todo = session.plan.unfinished(choice.encoders(session.look_again()))
    outcome = _do_all(session, PRETRAINING, todo, choice.encoders)
    session.tidy()  # now that all have their ids
    return [outcome]


def sweep(session: Session, choice: Choice = EVERYTHING) -> list[Outcome]:
    """Do the fine-tuning runs of a study whose encoders exist, those that tune rates first; inside a flow."""
    session.require_data()
    session.prepare(FINE_TUNING)
    if not session.look_again().arms:
        todo = _ready(session, choice.runs(session.plan))
        return [_do_all(session, FINE_TUNING, todo, choice.runs)]
    among = run_arms(session, partial(_do_trials, session))
    return [_do_all(session, FINE_TUNING, _ready(session, among), lambda _: among)]


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
    return [_do_all(session, FINE_TUNING, _ready(session, compared), lambda _: compared)]


def report(session: Session, out: Path) -> list[Outcome]:
    """Render the report of a study into `out`; inside a flow."""
    study = session.study.study
    session.end_tracking()
    with session.display.during(REPORT, "reading the runs, drawing the figures"), _shown(session, "report"):
        page = render_report(session.look_again(), out)
        show_report(session.shown, study, page)
        session.shown.log(f"{study}: the report is {page}")
    return []


def complete_study(session: Session, out: Path, choice: Choice = EVERYTHING) -> list[Outcome]:
    """Data if they are missing, encoders, runs, report; inside a flow."""
    session.prepare(PRETRAINING, FINE_TUNING)
    session.display.expect(phases(session.plan))
    if is_done(session.look_again(), out):
        session.shown.log(f"{session.study.study}: everything is done, nothing to run")
        return [session.outcome(PRETRAINING), session.outcome(FINE_TUNING, session.plan.compared)]
    with session.display.during(DATA, "looking at the data"), _shown(session, "data"):
        made = session.make_data()
        session.shown.log(f"{session.study.study}: the data {'were made' if made else 'exist already'}")
    outcomes = [*pretrain(session, choice), *(sweep(session, choice) if session.study.search is None else search(session))]
    report(session, out)
    require_choice(session.plan)
    return outcomes


@contextmanager
def _shown(session: Session, kind: str) -> Iterator[None]:
    """Show what is done inside as a task of the study."""
    task = session.shown.begin(kind, f"{kind} of {session.study.study}")
    try:
        yield
    except BaseException as error:
        task.end("FAILED", f"{type(error).__name__}: {error}")
        raise
    task.end("COMPLETED")


def run(
    kind: str, session: Session, body: Body, out: Path | None = None, ready: Callable[[], bool] = lambda: True
) -> list[Outcome]:
    """Do `body`, shown as a flow run of this kind from when a server is `ready`, if it is; returns how the runs ended.

    A notice of the end is sent if the flow has a report, which is in `out`.

    Raises:
        UserError: the flow run was cancelled on its page.

    """
    study, say = session.study.study, session.display.say
    with Pages.of(kind, study, say, ready) as pages:
        session.shown = pages
        try:
            ending = in_turns(session, body, lambda: pages.flow_run)
            if ending.reason is Reason.BUDGET and out is not None and kind != "sweep":
                report(session, out)
            state = state_after(session, ending)
        except BaseException as error:
            is_fault = isinstance(error, Exception)  # and no interrupt
            state = (Failed if is_fault else Crashed)(message=f"{type(error).__name__}: {error}".rstrip(": "))
            pages.end(state)
            if is_fault and out is not None:
                tell_end(study, state, out, say, pages.known())
            raise
        if not state.is_paused():
            pages.end(state)
        if out is not None and (session.has_run or not state.is_completed() or state.name == BUDGET_SPENT):
            tell_end(study, state, out, say, pages.known())
    if ending.reason is Reason.BUDGET:
        say(f"{study}: {budget_is_spent(session)}.")
        return [session.outcome(PRETRAINING), session.outcome(FINE_TUNING, session.plan.compared)]
    if ending.reason is not None:
        raise UserError(f"{study}: was cancelled on its page; run the command again to go on.")
    return ending.outcomes


def _scheduled_name() -> str:
    return f"study {Path(str(flow_run.parameters['study'])).stem}"


@flow(
    name="study",
    flow_run_name=_scheduled_name,
    persist_result=False,
    validate_parameters=False,
    on_crashed=[tell_unknown_fields],
)
def study(
    study: str = "params.yaml",
    seeds: tuple[int, ...] = (),
    methods: tuple[MethodName, ...] = (),
    targets: tuple[str, ...] = (),
    budget_minutes: float = 0,
    engine: Literal["as declared", "local", "ray", "slurm"] = AS_DECLARED,
) -> State[None]:
    """The complete study in a file, as a schedule or its form starts it; ends at once as `Skipped` if it is already running.

    A choice of seeds, methods and targets leaves the other runs for later; the report names them. What SLURM does is submitted,
    and the flow run ends as `Submitted`; the next one brings in what has ended.

    Args:
        study: The study file, from the project's folder.
        seeds: Do the runs with these seeds of the study now; none: all.
        methods: Do the runs of these methods of the study now; none: all.
        targets: Do the runs on these targets of the study now; none: all.
        budget_minutes: Stop at the checkpoints after so many minutes, and report what is there; 0: no limit.
        engine: What does the runs; as declared: what the study file says.

    """
    prepare()
    follow_parent()
    goes_on = ExitStack()
    goes_on.enter_context(noted(str(flow_run.get_id())))
    atexit.register(goes_on.close)
    # The page says `Cancelled` when this process has ended. Looking once more for what could be freed takes seconds of that.
    atexit.register(gc.freeze)
    try:
        return _scheduled(study, engine, (seeds, methods, targets, budget_minutes))
    except Exception as error:
        clear = isinstance(error, UserError)
        state: State[None] = Failed(message=str(error) if clear else f"{type(error).__name__}: {error}")
        tell_end(Path(str(study)).stem, state, None, get_run_logger().warning)
        if clear:
            return state
        raise


def _scheduled(file: object, engine: object, chosen: tuple[object, object, object, object]) -> State[None]:
    """Do a study, or what a form has chosen of it; raises `UserError` for a fault of the form, the study or its data."""
    warn = get_run_logger().warning
    declared = study_file.load(path := study_path(file), engine_name(engine))
    out = report_folder(path, declared)
    choice = choose(declared, *chosen)
    session = Session(declared, Display())
    require_runs(choice, session.plan)
    with ExitStack() as stack:
        stack.enter_context(session.display)
        stack.enter_context(heeded(declared, session.ask_to_end))
        try:
            stack.enter_context(session)
        except UserError as error:
            warn("%s", error)
            return Completed(name="Skipped", message=str(error))
        if is_submitted(declared) and (done := submitted_study(session)) is not None:
            try_to_publish(resolve(declared), out, warn)
            return Completed(name="Submitted", message=done.sentence())
        this = UUID(str(flow_run.get_id()))
        session.shown = stack.enter_context(Pages(this, warn))
        body = partial(complete_study, out=out, choice=choice)
        ending = in_turns(session, body, lambda: this, deployment.id is not None, choice.budget_s)
        state = state_after(session, ending, choice)
        if state.is_paused():
            raise Pause(state=ending.state)
        if ending.reason is Reason.BUDGET:
            report(session, out)
    if ending.reason not in LEFT_ALONE:  # nothing has ended that was not published; the page waits for this process
        try_to_publish(resolve(declared), out, warn)
    if session.has_run or ending.reason is not None or not state.is_completed():
        tell_end(declared.study, state, out, warn)
    return state


def _ready(session: Session, specs: Sequence[RunSpec]) -> list[Spec]:
    return [spec for spec in session.plan.unfinished(specs) if session.plan.is_ready(spec)]


def _do_trials(session: Session, title: str, specs: Sequence[RunSpec]) -> None:
    session.shown.log(title)
    phase = SEARCH if session.study.search is not None else TUNING
    do_runs(session, FINE_TUNING, phase, title, len(specs), _ready(session, specs))


def _do_all(session: Session, kind: str, todo: Sequence[Spec], among: Callable[[Plan], Sequence[Spec]]) -> Outcome:
    """Do runs; the outcome is that of `among`, the runs of a plan by which it is judged: a spec has its id only at the end."""
    phase = ENCODERS if kind == PRETRAINING else RUNS
    do_runs(session, kind, phase, f"{session.study.study}: {kind} runs", len(among(session.plan)), todo)
    outcome = session.outcome(kind, among(session.look_again()))
    session.display.finish(phase, f"{session.study.study}: {outcome.sentence()}.", outcome.ok)
    for sentence in outcome.failures():
        session.display.say(f"{session.study.study}: {sentence}")
    session.shown.log("; ".join([outcome.sentence(), *outcome.failures()]))
    show_outcome(session.shown, session.study, outcome)
    return outcome
