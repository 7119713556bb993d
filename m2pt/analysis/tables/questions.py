"""What a study shows on the questions that it declares beside the built-in ones, in sentences."""

from collections.abc import Sequence

from m2pt.analysis.numbers.claims import Claim, Claims
from m2pt.analysis.numbers.questions import Question
from m2pt.analysis.tables.headline import WORDS, Statement, no_interval, numbers_of, short, sizes
from m2pt.analysis.tables.phrases import scope_of, where_measured


def questions(known: Claims, asked: Sequence[Question] = ()) -> list[Statement]:
    """The statements on the declared questions, which are about the condition with the primary claims.

    Args:
        known: the claims of one condition.
        asked: all declared questions; one that this condition has no runs for is named.

    """
    if not known.is_primary:
        return []
    made = []
    for question in asked:
        mine = [claim for claim in known.questions if claim.question == question]
        made += [said for claim in mine for said in _answer(claim, question, where_measured(claim, mine))]
        if not mine:
            words = f"The question {question.label} has no runs here that could answer it."
            made.append(Statement(words, "", "undecided", "question"))
    return made


def _answer(claim: Claim, question: Question, where: str) -> list[Statement]:
    """What is said of one question."""
    mine, other = f"`{question.method}`", f"`{question.over}`"
    if claim.estimate.half_width is None:
        words = f"It cannot be said yet whether {mine} scores otherwise than {other}{where}."
        return [Statement(words, no_interval(claim), "undecided", "question")]
    if claim.sign:
        scope = scope_of([claim.estimate], further=claim.covers_samples)
        words = f"{scope}{mine} scored {WORDS[claim.sign]} than {other} on average{where}."
        said = Statement(words, numbers_of(claim), "primary", "question", short(claim))
    else:
        words = f"This study does not show that {mine} scores otherwise than {other}{where}."
        if claim.is_withheld:
            words += " The runs that are missing could alone have made the difference that the others have."
        said = Statement(words, numbers_of(claim), "undecided", "question", short(claim))
    return [said, *sizes(claim, f"the difference of {mine} from {other} on average{where}")]
