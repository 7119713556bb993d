"""Looks at a study's results: what a report or a command shows of its questions, and writing that down."""

import os
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from m2pt.analysis.numbers.cells import ROLES
from m2pt.analysis.numbers.questions import asked
from m2pt.config import MethodName, Study
from m2pt.files.access import can_write
from m2pt.methods import METHODS
from m2pt.runs.folder import RunState
from m2pt.runs.identity import form_without_draw
from m2pt.runs.looks import LOOKS, Look, Reach, add_look, look, read_looks, renamed
from m2pt.runs.question import former_question, question, reached, recipes
from m2pt.runs.spec import RunSpec
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan

BUILT_IN: frozenset[MethodName] = frozenset(name for name, role in ROLES.items() if role not in ("baseline", "random"))
"""The methods whose results answer a question that every study asks."""


@dataclass(frozen=True)
class Seen:
    """A look at the present results of a study, and what older lines of the journal call its questions."""

    look: Look
    former: dict[str, str]


def asking(study: Study) -> frozenset[MethodName]:
    """The methods whose results answer a question of the primary family."""
    return BUILT_IN | {item.method for item in asked(study)}


def needed(study: Study) -> frozenset[MethodName]:
    """The methods that the primary family compares: those that answer its questions, and what they are compared with."""
    random = {name for name, role in ROLES.items() if role == "random"}
    return asking(study) | random | {item.over for item in asked(study)}


def journal(plan: Plan) -> Path:
    """The journal of looks, next to the folders of all studies' runs: another name of a study does not make it unseen."""
    return runs_folder(plan.study).parent / LOOKS


def cannot_note(plan: Plan) -> str | None:
    """That a look at the results cannot be written down; None if it can."""
    path = journal(plan)
    if can_write(path) and (not path.exists() or os.access(path, os.W_OK)):
        return None
    return f"{path}: cannot be written, so it is not noted that these results were looked at"


def present_look(plan: Plan, shown: Collection[MethodName] | None = None) -> Seen:
    """What is to be seen of a study now: of all its questions, or of those that these methods answer."""
    shown = asking(plan.study) if shown is None else shown
    complete, former, names = Counter[str](), dict[str, str](), dict[str, str]()
    reach: dict[str, set[tuple[str, ...]]] = {}
    drawn = defaultdict[str, set[tuple[int, int]]](set)
    known, references = recipes(plan.study, plan.pretrain), _References(plan)
    for spec in plan.compared:
        if spec.method in shown:
            form = form_without_draw(spec)  # runs with the same form ask the same, and a question is costly to name
            if form not in names:
                names[form] = question(plan.study, spec, known)
            name = names[form]
            complete[name] += plan.state(spec) == RunState.COMPLETE
            drawn[name].add((spec.seed, spec.replicate or 0))
            if name not in reach:
                former[name] = former_question(plan.study, spec)
                reach[name] = {reached(plan.study, spec)} | references.reached(spec)
    cells: dict[str, Reach] = {name: tuple(sorted(each)) for name, each in reach.items()}
    return Seen(look(plan.study, complete, datetime.now(UTC).date().isoformat(), cells, drawn), former)


def earlier(plan: Plan, now: Seen) -> list[Look]:
    """The looks in the journal, oldest first, with the present names of questions. Raises `UserError` if it cannot be read."""
    return renamed(read_looks(journal(plan)), now.former)


def note_look(plan: Plan, shown: Collection[MethodName] | None = None) -> None:
    """Write down that results of a study were shown: of all its questions, or of those that these methods answer.

    Where no run of these is complete, nothing was shown.

    Raises:
        UserError: the journal cannot be read or written.

    """
    now = present_look(plan, shown)
    if any(now.look.complete.values()):
        add_look(journal(plan), now.look, now.former)


class _References:
    """What the runs of a study are compared with: random controls, and what declared questions compare them with."""

    def __init__(self, plan: Plan) -> None:
        self._asked = asked(plan.study)
        self._reached = defaultdict[tuple[str, str, str, str], set[tuple[str, ...]]](set)
        for spec in plan.compared:
            self._reached[spec.method, spec.target, spec.setting, spec.tuning].add(reached(plan.study, spec))

    def reached(self, spec: RunSpec) -> set[tuple[str, ...]]:
        """The encoders that these reach, run by run, on the target of a run."""
        over = {METHODS[spec.method].control, *(item.over for item in self._asked if item.method == spec.method)}
        place = (spec.target, spec.setting, spec.tuning)
        return {each for method in over if method is not None for each in self._reached.get((method, *place), ())}
