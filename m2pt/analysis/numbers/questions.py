"""The questions that a study declares beside the built-in ones: one method over another, on average over its pairs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m2pt.analysis.numbers import unequal
from m2pt.analysis.numbers.cells import Cell, Condition, by_condition
from m2pt.analysis.numbers.comparisons import Comparison, group
from m2pt.config import MethodName, Study
from m2pt.methods import METHODS


@dataclass(frozen=True)
class Question:
    """Whether one method scores otherwise than another."""

    method: MethodName
    over: MethodName

    @property
    def label(self) -> str:
        """Both methods, in Markdown."""
        return f"`{self.method}` over `{self.over}`"


@dataclass(frozen=True)
class Answer:
    """The comparisons of one question within one condition, all with the same metric."""

    question: Question
    comparisons: tuple[Comparison, ...]

    @property
    def within(self) -> unequal.Ranges:
        """The range of the scores of each target."""
        return unequal.ranges([cell for item in self.comparisons for cell in (item.cell, item.reference)])


Answers = Mapping[Condition, Sequence[Answer]]

NOTHING_ASKED: Answers = {}


def asked(study: Study) -> tuple[Question, ...]:
    """The questions of `design.questions`; a method is compared with its own control unless another is named."""
    return tuple(Question(item.method, item.over or METHODS[item.method].control) for item in study.design.questions)


def answers(questions: Sequence[Question], cells: Sequence[Cell]) -> Answers:
    """What the cells of a study (`m2pt.analysis.numbers.cells.cells`) have on each question, by condition.

    A cell is compared on its own target, with the same auxiliary if the other method has it, or else with the only cell that the
    other method has there, as random weights and no auxiliary are. A method with random weights in the auxiliary's place asks
    nothing. Conditions without any comparison are left out.
    """
    made = {condition: tuple(_answers(questions, members)) for condition, members in by_condition(cells).items()}
    return {condition: of for condition, of in made.items() if of}


def _answers(questions: Sequence[Question], cells: Sequence[Cell]) -> Iterable[Answer]:
    for question in questions:
        mine = [cell for cell in cells if cell.method == question.method and not _is_random(cell)]
        theirs = [cell for cell in cells if cell.method == question.over]
        pairs = [(cell, other) for cell in mine if (other := _reference(cell, theirs)) is not None]
        within = unequal.ranges([cell for pair in pairs for cell in pair])
        for metric in dict.fromkeys(cell.metric for cell, _ in pairs):
            of_metric = [pair for pair in pairs if pair[0].metric == metric]
            yield Answer(question, tuple(group(of_metric, "pair", "random", within)))


def _reference(cell: Cell, theirs: Sequence[Cell]) -> Cell | None:
    there = [other for other in theirs if other.target == cell.target]
    same = [other for other in there if other.auxiliary == cell.auxiliary]
    return same[0] if same else there[0] if len(there) == 1 else None


def _is_random(cell: Cell) -> bool:
    return METHODS[cell.method].loads_auxiliaries and cell.has_random_weights
