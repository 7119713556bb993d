"""The tuning of a sweep: it runs the trials of all arms, and says what was chosen for each."""

from collections.abc import Sequence

from m2pt.config import value_words
from m2pt.runs.arms import ArmRates
from m2pt.runs.spec import RunSpec
from pipelines.execution.search import Do, in_words
from pipelines.execution.session import Session
from pipelines.planning.grid import distinct
from pipelines.planning.plan import Plan


def run_arms(session: Session, do: Do) -> list[RunSpec]:
    """Do the trials that have not ended; returns the runs by which the outcome of the sweep is judged.

    Those are the ones on fresh seeds of all arms that have a choice, and what is left of the trials of the others.
    """
    plan = session.plan
    trials = distinct([spec for arm in plan.arms for specs in arm.runs for spec in specs])
    undecided = {arm.arm for arm in plan.arms if arm.chosen is None}
    if todo := _left(plan, trials):
        do(f"{session.study.study}: tuning, {len(undecided)} of {len(plan.arms)} arms", todo)
    session.look_again()
    session.tidy()  # runs with rates that were chosen before may come back from aside
    plan = session.look_again()
    for arm in plan.arms:
        if arm.arm in undecided:
            session.display.say(f"{session.study.study}: {in_one_line(arm)}")
    return [*plan.compared, *_left(plan, trials)]


def _left(plan: Plan, trials: Sequence[RunSpec]) -> list[RunSpec]:
    return [spec for spec in plan.unfinished(trials) if isinstance(spec, RunSpec)]


def in_one_line(arm: ArmRates) -> str:
    """What was chosen for an arm, or why nothing is."""
    name = f"{arm.arm.part}: {arm.arm.name}" if arm.arm.part else arm.arm.name
    if (best := arm.chosen) is not None:
        notes = [f"the trial with {in_words(each.values)} failed" for each in arm.failed]
        notes += [f"{key} = {value_words(best.values[key])} is at an end of the grid" for key in arm.at_an_end]
        told = "".join(f"; {note}" for note in notes)
        return f"{name}: {in_words(best.values)} (mean validation score {best.score:.2f}{told})."
    if arm.is_over:
        reason = arm.failed[0].reason.rstrip(".")
        return f"{name}: no trial is complete, so nothing is chosen and the arm is not run ({reason})."
    return f"{name}: nothing is chosen yet, because some of its trials have not ended."
