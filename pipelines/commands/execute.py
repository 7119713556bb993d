"""`data`, `pretrain`, `sweep`, `report` and `study`: do a study, or a part of it."""

import logging
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from m2pt.config import UserError
from m2pt.files.access import can_write
from pipelines.commands import reproduce
from pipelines.commands.outage import prefect_or_none
from pipelines.commands.outcome import tell
from pipelines.commands.stoppable import stoppable
from pipelines.commands.submit import submit, submit_study
from pipelines.commands.verifying import verify_first
from pipelines.execution.decoding import make_decoded
from pipelines.execution.display.view import DATA, ENCODERS, FIRST, REPORT, RUNS, SETTING_UP
from pipelines.execution.interrupts import obeyed_at_once
from pipelines.execution.process_environment import can_keep
from pipelines.execution.progress import Display
from pipelines.execution.session import Outcome, Session
from pipelines.execution.submitting import is_submitted
from pipelines.planning import study_file
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan, resolve
from pipelines.reporting.rendering import is_default, is_done, render_report, report_folder
from pipelines.tracking.study import publish_owed, try_to_publish

Body = Callable[[Session], list[Outcome]]


def data(options: Namespace) -> int:
    """Make the embedded data of a study."""
    declared = study_file.load(options.study)
    if declared.data.embedded is None:
        raise UserError(f"{options.study}: data.embedded is missing, so there are no data to make; add it, or use your own data.")
    out, display = options.out or Path(declared.data.root), options.display
    try:
        plan = resolve(declared, to_look=True)
    except UserError:  # what is wrong with data may be why they are made again
        plan = None
    made = make_decoded(declared, plan, out, display)
    display.finish(DATA)
    if not display.is_relayed:
        display.say(f"{declared.study}: the data are in {out}{'' if made else ' already'}.")
    return 0


def pretrain(options: Namespace) -> int:
    """Make the encoders of a study."""
    declared = study_file.load(options.study)
    verify_first(options, declared)
    with stoppable(declared, options.display), Session(declared, options.display) as session:
        session.require_data()
        session.prepare(PRETRAINING)
        if not session.look_again().unfinished(session.plan.pretrain):
            _nothing_to_run(session, ENCODERS, session.outcome(PRETRAINING))
            return 0
        if is_submitted(session.study):
            return submit(session, options.study, PRETRAINING)
        return _in_flow("pretrain", session, lambda flows: flows.pretrain)


def sweep(options: Namespace) -> int:
    """Do the fine-tuning runs of a study."""
    declared = study_file.load(options.study)
    verify_first(options, declared)
    with stoppable(declared, options.display), Session(declared, options.display) as session:
        session.require_data()
        session.prepare(FINE_TUNING)
        left = session.look_again().unfinished(session.plan.runs)
        if not left and not session.plan.to_come:
            _nothing_to_run(session, RUNS, session.outcome(FINE_TUNING))
            return 0
        if is_submitted(session.study):
            return submit(session, options.study, FINE_TUNING)
        if not any(session.plan.is_ready(spec) for spec in left):
            raise UserError(f"{options.study}: the runs wait for encoders that do not exist yet; run `m2pt pretrain` first.")
        out = report_folder(options.study, session.study)
        return _in_flow("sweep", session, lambda flows: flows.sweep, out=out)


def report(options: Namespace) -> int:
    """Render the report of a study as it is now."""
    declared = study_file.load(options.study)
    out = options.out or report_folder(options.study, declared)
    if not can_write(out / "index.html"):
        raise UserError(f"{out}: cannot be written; name a folder that can: `m2pt report --out FOLDER`.")
    # Not entered, so that its lock stays free: a report may be made while runs go on.
    session = Session(declared, options.display)
    session.require_data()
    from pipelines.planning.looks import cannot_note  # with scipy, which runs shall not wait for

    if (sentence := cannot_note(session.plan)) is not None:
        options.display.say(f"{declared.study}: {sentence}.")
    if can_keep():
        _in_flow("report", session, lambda flows: partial(flows.report, out=out), warm=False)
        if out.resolve() == report_folder(options.study, declared).resolve():  # what is elsewhere is the user's alone
            _publish(session.plan, out, session.display)
    else:
        options.display.say(f"{declared.study}: this folder cannot be written to, so the report is in {out} alone.")
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its cache goes to a temporary folder, of which it warns
        with options.display.during(REPORT, "reading the runs, drawing the figures"):
            render_report(session.plan, out)
    tell(options.display, declared, options.study, out)
    return 0


def study(options: Namespace) -> int:
    """Do the complete study, with its search if it has one: the default study through DVC, any other in one flow."""
    declared = study_file.load(options.study)
    verify_first(options, declared)
    out = report_folder(options.study, declared)
    if is_submitted(declared) and (code := submit_study(declared, options.study, out, options.display)) is not None:
        return code
    if is_default(options.study):
        return reproduce.reproduce(declared, options.study, out, options.display, afresh=options.verify)
    with stoppable(declared, options.display), Session(declared, options.display) as session:
        options.display.prepare(SETTING_UP, "looking at the data and the runs")
        session.prepare(PRETRAINING, FINE_TUNING)
        if nothing_to_do := is_done(session.look_again(), out):
            options.display.finish(SETTING_UP)
            options.display.say(f"{declared.study}: everything is done, nothing to run.")
            code = 0
        else:
            kind = "study" if declared.search is None else "search"
            code = _in_flow(kind, session, lambda flows: partial(flows.complete_study, out=out), out=out)
    if nothing_to_do:
        publish_owed(session.plan, out, options.display.say)
    else:
        _publish(resolve(declared), out, session.display)
    tell(options.display, declared, options.study, out, done=code == 0)
    return code


def _publish(plan: Plan, out: Path, display: Display) -> None:
    with display.during(REPORT, "publishing the results"):
        try_to_publish(plan, out, display.say)


def _nothing_to_run(session: Session, phase: str, outcome: Outcome) -> None:
    session.display.finish(phase)
    session.display.say(f"{session.study.study}: {outcome.sentence()}; nothing to run.")


def _in_flow(kind: str, session: Session, body: Callable[[ModuleType], Body], warm: bool = True, out: Path | None = None) -> int:
    """Do a flow, shown by a Prefect server once that has started, for which nothing waits. `out` has its report."""
    session.display.prepare(FIRST[kind], "loading the libraries")
    with prefect_or_none(session.display.say) as ready:
        if warm:
            session.warm()
        with obeyed_at_once():
            from pipelines.scheduling import flows, notice
        if out is not None:
            notice.require_usable()
        outcomes = flows.run(kind, session, body(flows), out, ready)
    return 0 if all(outcome.ok for outcome in outcomes) else 1
