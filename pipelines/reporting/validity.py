"""What a study may claim when its report is rendered, from the journal of looks, its runs and its registration."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from m2pt.analysis.numbers.cells import ROLES
from m2pt.analysis.numbers.questions import asked
from m2pt.config import MethodName, Study
from m2pt.runs.attempts import current_attempt, read_attempts
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.looks import LOOKS, Look, add_look, look, objection, question, read_looks
from m2pt.runs.registration import Registered, changed, older, read_registration, registration_file
from m2pt.runs.spec import RunSpec
from m2pt.runs.validity import Validity
from pipelines.planning.folders import place_of, runs_folder
from pipelines.planning.plan import Plan


def journal(plan: Plan) -> Path:
    """The journal of looks, next to the folders of all studies' runs: another name of a study does not make it unseen."""
    return runs_folder(plan.study).parent / LOOKS


def present_look(plan: Plan) -> Look:
    """What a report of the study shows now."""
    complete: Counter[str] = Counter()
    shown = _asking(plan.study)
    for spec in plan.compared:
        if spec.method in shown:
            complete[question(plan.study, spec)] += plan.state(spec) == RunState.COMPLETE
    return look(plan.study, complete, datetime.now(UTC).date().isoformat())


def validity(plan: Plan) -> Validity:
    """What the history of a study allows it to claim.

    Raises:
        UserError: the journal or the registration cannot be read.

    """
    needed = _needed(plan.study)
    specs = [spec for spec in plan.compared if spec.method in needed]
    unended = sum(plan.state(spec) not in (RunState.COMPLETE, RunState.FAILED) for spec in specs)
    methods = plan.to_come if plan.arms else Counter[str]()  # arms whose rates are not chosen yet have no runs in the plan
    to_come = sum(count for method, count in methods.items() if method in needed)
    return Validity(
        seen=objection(present_look(plan), read_looks(journal(plan))),
        unended=unended + to_come if plan.study.design.seeds == "fixed" else 0,
        planned=len(specs) + to_come,
        registered=registered(plan),
    )


def _asking(study: Study) -> set[MethodName]:
    """The methods whose results answer a question of the primary family."""
    return {name for name, role in ROLES.items() if role not in ("baseline", "random")} | {item.method for item in asked(study)}


def _needed(study: Study) -> set[MethodName]:
    """The methods that the primary family compares: those that answer its questions, and what they are compared with."""
    random = {name for name, role in ROLES.items() if role == "random"}
    return _asking(study) | random | {item.over for item in asked(study)}


def note_look(plan: Plan) -> None:
    """Write down that a report of the study was rendered, if it showed any result of the main question."""
    now = present_look(plan)
    if any(now.complete.values()):
        add_look(journal(plan), now)


def registered(plan: Plan) -> Registered | None:
    """The registration of a study and what happened since; None if it was not registered."""
    registration = read_registration(registration_file(plan.study))
    if registration is None:
        return None
    started = [(run_id(spec), _started(plan, spec)) for spec in plan.compared if plan.is_ready(spec)]
    return Registered(registration, tuple(changed(registration, plan.study)), tuple(older(registration, started)))


def _started(plan: Plan, spec: RunSpec) -> list[str]:
    """When the attempts of a run started."""
    run_dir = plan.run_dir(spec)
    if run_dir is None:
        return []
    attempts, current = read_attempts(place_of(run_dir)), current_attempt(place_of(run_dir))
    return [attempt.started for attempt in (*attempts, *([current] if current is not None else []))]
