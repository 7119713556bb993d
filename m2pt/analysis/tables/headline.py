"""What a study shows, in sentences computed from its numbers and never stronger than they are.

A difference is claimed only if its family shows it (`m2pt.analysis.numbers.families`): those of the primary family with a
family-wise error of 5 %, all others as exploratory, with a false discovery rate of 5 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from m2pt.analysis.numbers.cells import CONTROLS, Role
from m2pt.analysis.numbers.claims import Claim, Claims, claims
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.contrasts import OwnControl
from m2pt.analysis.numbers.families import SIGNIFICANT
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.numbers.unequal import missing
from m2pt.analysis.tables.phrases import (
    CONTROL,
    DETECTS,
    counted,
    in_brackets,
    listed,
    lost_in_brackets,
    lost_runs,
    of_metric,
    p_of,
    pair_name,
    points,
    scope_of,
    seeds_of,
    upwards,
    where_measured,
)
from m2pt.analysis.tables.resolution import resolution
from m2pt.methods import METHODS

MINUS = "\N{MINUS SIGN}"

_NEEDED = "An interval needs two seeds that are complete on both sides, with differences that are not all equal."
WORDS = {1: "higher", -1: "lower"}
"""How one side scored, by the sign of a difference."""

Standing = Literal["primary", "undecided", "exploratory", "descriptive"]


@dataclass(frozen=True)
class Statement:
    """A claim that is true on its own, and the numbers behind it.

    `standing` says which error rate it has: `primary`, the family-wise one; `exploratory`, the false discovery rate of its
    family; `descriptive` statements describe the numbers of this study and claim no difference beyond it. `undecided` statements
    say that a question of the primary family got no answer, which claims nothing.

    `answers` says of which average it is the answer, and `short` has its numbers in short; `is_size`: it says how large the
    average of the statement before it can be.
    """

    claim: str
    detail: str = ""
    standing: Standing = "descriptive"
    answers: Literal["", "others", "question"] = ""
    short: str = ""
    is_size: bool = False


def signed(value: float, digits: int = 2) -> str:
    """A difference as text: always with a sign, a true minus, and no negative zero."""
    text = rounded(abs(value), digits)
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def difference(item: Estimate) -> str:
    """A difference in percentage points with its interval, or why there is none."""
    if item.mean is None:
        return item.note
    return (
        f"{signed(item.mean)} ± {rounded(item.half_width, 2)}"
        if item.half_width is not None
        else f"{signed(item.mean)} ({item.note})"
    )


def headline(summary: Summary, controls: Sequence[OwnControl] = (), tested: Claims | None = None) -> list[Statement]:
    """The statements of one condition, those with the strictest error rate first.

    Args:
        summary: the condition's comparisons of the pathway with its controls.
        controls: its methods compared with themselves with random weights.
        tested: the claims about the condition; None if it is the only one of its study.

    """
    if not any(cell.mean_test.n for cell in summary.cells):
        return [Statement("No run is complete yet, so this study shows nothing so far.", answers="others")]
    known = claims([summary])[summary.condition] if tested is None else tested
    standing: Standing = "primary" if known.is_primary else "exploratory"
    made = [
        *_others(summary, known, standing),
        *_pairs(known.pairs, standing),
        *(statement for role in CONTROLS for statement in _controls(known, role, standing)),
        *own_controls(controls),
    ]
    if summary.select("random", "pair"):
        made += [*_lacks_control(known), *_baseline(summary, known)]
        made += [Statement(*said) for said in resolution(summary.select("random", "pair"), known.family)]
    return made or [Statement("This study does not ask whether auxiliaries of other modalities do more than random weights.")]


def own_controls(controls: Sequence[OwnControl]) -> list[Statement]:
    """For each method that is also run with random weights in the auxiliary's place: whether it does more than with those."""
    return [_own_control(item) for item in controls if item.overall.half_width is not None]


def _own_control(item: OwnControl) -> Statement:
    mean = item.overall.mean or 0.0
    words = f"scored {WORDS[1 if mean > 0 else -1]} than" if item.holds else "is not shown to differ from"
    origin = "the same modality" if METHODS[item.method].takes == "own" else "other modalities"
    claim = f"{scope_of([item.overall])}`{item.method}` with encoders of {origin} {words} itself with random weights on average."
    unit = of_metric(item.pairs[0].measure)
    detail = f"{difference(item.overall)} points{unit} on average over {counted(len(item.pairs), 'pair')}"
    shown = [pair for pair in item.pairs if pair.holds]
    count = counted(len(item.pairs), "pair")
    among = f"shown in {len(shown) or 'none'} of {count}{in_brackets(shown)}" if len(item.pairs) > 1 else ""
    ends = [f"({seeds_of(item.overall)})", *([f"; {among}"] if among else []), lost_runs(item.missing)]
    return Statement(claim, f"{detail} {''.join(ends)}.", "exploratory")


def _others(summary: Summary, known: Claims, standing: Standing) -> list[Statement]:
    """Whether auxiliaries of other modalities do more than random weights do."""
    question = "whether auxiliaries of other modalities do more than random weights"
    if not known.others:
        asked = any(cell.role == "pair" for cell in summary.cells)
        lack = f"This study does not ask {question}."
        return [Statement(lack, "It lacks the random control.", answers="others")] if asked else []
    made = []
    for claim in known.others:
        where = where_measured(claim, known.others)
        if claim.estimate.half_width is None:
            words = f"It cannot be said yet {question}{where}."
            made.append(Statement(words, no_interval(claim), _open(standing), "others"))
            continue
        made += [_other(claim, where, standing), *sizes(claim, f"the difference from random weights on average{where}")]
    return made


def _other(claim: Claim, where: str, standing: Standing) -> Statement:
    """What is said of one average over pairs."""
    if claim.sign:
        scored = f"auxiliaries of other modalities scored {WORDS[claim.sign]} than random weights on average{where}."
        words = f"{scope_of([claim.estimate], further=claim.covers_samples)}{scored}"
        return Statement(words, numbers_of(claim), standing, "others", short(claim))
    words = f"This study does not show that auxiliaries of other modalities do more than random weights{where}."
    if claim.is_withheld:
        words += " The runs that are missing could alone have made the difference that the others have."
    return Statement(words, numbers_of(claim), _open(standing), "others", short(claim))


def sizes(claim: Claim, average: str) -> list[Statement]:
    """How large the average difference is, or can still be: beside the smallest one of interest, where one was declared."""
    smaller = _smaller(claim, average)
    if claim.size is None or claim.rule.smallest is None:
        return smaller
    smallest = f"{points(claim.rule.smallest)}{of_metric(claim.metric)}, the smallest difference of interest"
    level = claim.size_level
    detail = f"Its {100 * (1 - level):.3g} % interval is {' to '.join(map(signed, claim.ends(level)))}."
    if claim.size == 0:
        words = f"It is undecided whether {average} is as large as {smallest}."
        return [Statement(words, detail, "undecided", is_size=True), *smaller]
    words = f"{average} is shown to be {'larger' if claim.size > 0 else 'smaller'} than {smallest}."
    return [Statement(f"{scope_of([claim.estimate])}{words}", detail, "primary", is_size=True)]


def _smaller(claim: Claim, average: str) -> list[Statement]:
    if claim.margin is None:
        return []
    margin = f"{upwards(claim.margin)} points{of_metric(claim.metric)}"
    words = f"{scope_of([claim.estimate])}{average} is shown to be smaller than {margin}."
    level = f"{100 * (1 - SIGNIFICANT * claim.weight):.3g} %"
    detail = (
        f"This is the end of its {level} interval (the level of the test above). It bounds the mean: pairs can differ by more."
    )
    return [Statement(words, detail, "primary", is_size=True)]


def _pairs(pairs: Sequence[Claim], standing: Standing) -> list[Statement]:
    """The pairs that are shown to differ."""
    made = []
    for sign, word in WORDS.items():
        shown = [item for item in pairs if item.sign == sign]
        if shown:
            names = listed([pair_name(item.comparisons[0]) for item in shown])
            numbers = "; ".join(f"{pair_name(item.comparisons[0])} {numbers_of(item).removesuffix('.')}" for item in shown) + "."
            scope = scope_of([item.estimate for item in shown], further=all(item.covers_samples for item in shown))
            made.append(Statement(f"{scope}other modalities scored {word} than random weights on {names}.", numbers, standing))
    return made


def _controls(known: Claims, role: Role, standing: Standing) -> list[Statement]:
    """A positive control: whether the study could have seen useful weights at all."""
    made = []
    for claim in known.control(role):
        where, detected = where_measured(claim, known.control(role)), DETECTS[role]
        if claim.estimate.half_width is None:
            words = f"It is not known yet whether the study can detect {detected}{where}."
            made.append(Statement(words, no_interval(claim), _open(standing)))
            continue
        detail = f"{numbers_of(claim)}{_by_target(claim)}"
        scored = f"scored {WORDS.get(claim.sign, '')} than random weights on average{where}"
        words = f"{scope_of([claim.estimate], further=claim.covers_samples)}{CONTROL[role]} {scored}"
        if claim.sign > 0:
            made.append(Statement(f"{words}: the study can detect {detected}.", detail, standing))
        elif claim.sign < 0:
            made.append(Statement(f"{words}: the study does not detect {detected}.", detail, standing))
        else:
            gained = any(item.sign > 0 for item in (*known.others, *known.pairs))
            so = "" if gained else ", so the absence of a gain means little"
            lack = f"The study has not been shown to detect {detected}{where}{so}."
            words = f"Positive control, {CONTROL[role]} against random weights: {detail}"
            made.append(Statement(lack, words, _open(standing)))
    return made


def _open(standing: Standing) -> Standing:
    """The standing of a statement that a question of these claims got no answer."""
    return "undecided" if standing == "primary" else "descriptive"


def _by_target(claim: Claim) -> str:
    """The numbers of each target, by the rule of the claim, as a sentence; nothing where there is one target."""
    values = [f"{item.target} {difference(claim.rule.judged(item.estimate))}" for item in claim.comparisons]
    return f" By target: {', '.join(values)}." if len(values) > 1 else ""


def _lacks_control(known: Claims) -> list[Statement]:
    if known.controls:
        return []
    return [Statement("It is not known what the study can detect.", "It lacks a positive control, own modality against random.")]


def _baseline(summary: Summary, known: Claims) -> list[Statement]:
    """Gains over no auxiliary, of other modalities and of random weights: the first can only be read with the second."""
    pairs = summary.select("baseline", "pair")
    if not pairs:
        return []
    if not any(item.estimate.half_width is not None for item in pairs):
        return [Statement("No pair can be compared with its baseline yet.", _NEEDED)]
    average, gained = summary.averages["baseline"], [item for item in known.random_gains if item.estimate.mean is not None]
    lost = lost_in_brackets(missing([(item.cell, item.reference) for item in pairs]))
    unit = of_metric(pairs[0].measure)
    detail = f"Other modalities on average {difference(average)} points{unit}{lost}" if average.mean is not None else ""
    words = ", ".join(f"{_points_of(item)}{where_measured(item, gained)}{lost_in_brackets(item.missing)}" for item in gained)
    detail += f"{'; r' if detail else 'R'}andom weights on average {words}" if gained else ""
    detail = f"Against no auxiliary: {detail[:1].lower()}{detail[1:]}." if detail else ""
    if known.random_gains and all(item.sign > 0 for item in known.random_gains):
        scope = scope_of([item.estimate for item in known.random_gains])
        claim = f"{scope}random weights scored higher than no auxiliary on average: a gain over no auxiliary is no evidence of"
        return [Statement(f"{claim} knowledge from another modality.", detail, "exploratory")]
    return [Statement("A gain over no auxiliary has to be compared with what random weights gain.", detail)]


def _points_of(claim: Claim) -> str:
    return f"{difference(claim.estimate)} points{of_metric(claim.metric)}"


def short(claim: Claim) -> str:
    """The mean of a claim with its interval, and what it is over."""
    noun = "pair" if claim.kind != "control" else "target"
    return _points_of(claim) + ("" if claim.kind == "pair" else f" on average over {counted(len(claim.measured), noun)}")


def numbers_of(claim: Claim) -> str:
    """The numbers behind a claim, as a sentence."""
    items, known = claim.comparisons, claim.measured
    seeds = seeds_of(claim.estimate)
    left = [item for item in items if item not in known]
    without = f"; without {listed([pair_name(item) for item in left])}, which lack complete runs" if left and known else ""
    p = "" if claim.adjusted_p is None else f"; {p_of(claim.adjusted_p)} after the correction"
    return f"{short(claim)} ({seeds}){p}{_further(claim)}{without}{lost_runs(claim.missing)}."


def _further(claim: Claim) -> str:
    """The interval for further test samples, where it is known."""
    width = None if claim.further is None else claim.further.further.half_width
    return "" if width is None else f"; ± {rounded(width, 2)} with further test samples"


def no_interval(claim: Claim) -> str:
    """Why a claim has no interval."""
    planned, n = claim.rule.planned, claim.estimate.n
    if planned is not None and n > 1:
        return f"A sequential design that is planned for {counted(planned, 'seed')} can show nothing with {counted(n, 'seed')}."
    return _NEEDED + (f" {lost_runs(claim.missing)[2:].capitalize()}." if claim.missing.differs else "")
