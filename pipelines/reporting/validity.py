"""What a study may claim when its report is rendered, from the journal of looks, its runs and its registration."""

from collections import Counter

from m2pt.runs.attempts import current_attempt, read_attempts
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.looks import objection
from m2pt.runs.registration import Registered, changed, older, read_registration, registration_file
from m2pt.runs.spec import RunSpec
from m2pt.runs.validity import Validity
from pipelines.planning.folders import place_of
from pipelines.planning.grid import plugins_used
from pipelines.planning.looks import earlier, needed, present_look
from pipelines.planning.plan import Plan


def validity(plan: Plan) -> Validity:
    """What the history of a study allows it to claim.

    Raises:
        UserError: the journal or the registration cannot be read.

    """
    compares, now = needed(plan.study), present_look(plan)
    specs = [spec for spec in plan.compared if spec.method in compares]
    unended = sum(plan.state(spec) not in (RunState.COMPLETE, RunState.FAILED) for spec in specs)
    methods = plan.to_come if plan.arms else Counter[str]()  # arms whose rates are not chosen yet have no runs in the plan
    to_come = sum(count for method, count in methods.items() if method in compares)
    return Validity(
        seen=objection(now.look, earlier(plan, now)),
        unended=unended + to_come if plan.study.design.seeds == "fixed" else 0,
        planned=len(specs) + to_come,
        registered=registered(plan),
    )


def registered(plan: Plan) -> Registered | None:
    """The registration of a study and what happened since; None if it was not registered."""
    registration = read_registration(registration_file(plan.study))
    if registration is None:
        return None
    started = [(run_id(spec), _started(plan, spec)) for spec in plan.compared if plan.is_ready(spec)]
    return Registered(
        registration, tuple(changed(registration, plan.study, plugins_used(plan.study))), tuple(older(registration, started))
    )


def _started(plan: Plan, spec: RunSpec) -> list[str]:
    """When the attempts of a run started."""
    run_dir = plan.run_dir(spec)
    if run_dir is None:
        return []
    attempts, current = read_attempts(place_of(run_dir)), current_attempt(place_of(run_dir))
    return [attempt.started for attempt in (*attempts, *([current] if current is not None else []))]
