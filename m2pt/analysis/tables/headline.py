"""What a study shows, in sentences computed from its numbers and never stronger than they are.

A difference is claimed only if its 95 % interval excludes 0, and the sentence says how many such intervals remain after Holm's
correction over all that are looked at together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from m2pt.analysis.numbers.comparisons import SIGNIFICANT, Comparison, Summary
from m2pt.analysis.numbers.contrasts import OwnControl
from m2pt.analysis.numbers.evidence import sureness, together
from m2pt.analysis.numbers.pooling import Pooled
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.methods import METHODS

MINUS = "\N{MINUS SIGN}"

_MOST_NAMES = 4
_NEEDED = "An interval needs two seeds that are complete on both sides, with differences that are not all equal."


@dataclass(frozen=True)
class Statement:
    """A claim that is true on its own, and the numbers behind it."""

    claim: str
    detail: str = ""


def signed(value: float, digits: int = 2) -> str:
    """A difference as text: always with a sign, a true minus, and no negative zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def difference(item: Estimate) -> str:
    """A difference in percentage points with its interval, or why there is none."""
    if item.mean is None:
        return item.note
    return f"{signed(item.mean)} ± {item.half_width:.2f}" if item.half_width is not None else f"{signed(item.mean)} ({item.note})"


def headline(summary: Summary, controls: Sequence[OwnControl] = ()) -> list[Statement]:
    """The statements of one condition, the most important first.

    Args:
        summary: the condition's comparisons of the pathway with its controls.
        controls: its methods compared with themselves with random weights.

    """
    if not any(cell.mean_test.n for cell in summary.cells):
        return [Statement("No run is complete yet, so this study shows nothing so far.")]
    own = own_controls(controls)
    if not any(cell.role == "pair" for cell in summary.cells):
        own = own or [_answer(summary)]
        return [*own, _control(summary)] if summary.select("random", "own") else own
    return [*own, _answer(summary), *_excluded(summary), _control(summary), *_baseline(summary), *_resolution(summary)]


def own_controls(controls: Sequence[OwnControl]) -> list[Statement]:
    """For each method that is also run with random weights in the auxiliary's place: whether it does more than with those."""
    return [_own_control(item) for item in controls if item.overall.half_width is not None]


def _own_control(item: OwnControl) -> Statement:
    tested = [pair for pair in item.pairs if pair.estimate.half_width is not None]
    words = {1: "scored higher than", -1: "scored lower than", 0: "is not shown to differ from"}[item.overall.sign]
    origin = "the same modality" if METHODS[item.method].takes == "own" else "other modalities"
    claim = f"With encoders of {origin}, `{item.method}` {words} itself with random weights on average."
    mean = (
        f"on average over {_count(len(item.pairs), 'pair')} {difference(item.overall)} points ({_count(item.overall.n, 'seed')})"
    )
    return Statement(claim, f"{mean}; {_tally(tested, len(item.pairs))}.")


def _answer(summary: Summary) -> Statement:
    """Whether auxiliaries of other modalities do more than random weights do."""
    pairs = summary.select("random", "pair")
    tested = [item for item in pairs if item.estimate.half_width is not None]
    question = "whether auxiliaries of other modalities do more than random weights"
    if not pairs:
        return Statement(f"This study does not ask {question}.", "It lacks the pairs or the random control.")
    if not tested:
        return Statement(f"It cannot be said yet {question}.", _NEEDED)
    average = summary.averages["random"]
    if average.mean is None:
        mean = "no seed is complete in all pairs, so there is no average over them"
    else:
        seeds = _count(average.n, "seed")
        mean = f"on average over {_count(len(pairs), 'pair')} {difference(average)} points against random weights ({seeds})"
    return Statement(_verdict(average, _holding(tested, 1), _holding(tested, -1)), f"{_tally(tested, len(pairs))}; {mean}.")


def _verdict(average: Estimate, up: Sequence[Comparison], down: Sequence[Comparison]) -> str:
    """The answer, from the average over the pairs and from the pairs that are significant after the correction."""
    if up and down:
        return f"Against random weights, other modalities scored higher on {_names(up)} and lower on {_names(down)}."
    for sign, items, word in ((1, up, "higher"), (-1, down, "lower")):
        if average.sign == sign or (items and average.sign == 0):
            where = "on average" if average.sign else f"on {_names(items)}"
            rest = "; on average no difference is shown" if average.mean is not None and not average.sign else ""
            return f"Auxiliaries of other modalities scored {word} than random weights {where}{rest}."
    return "This study does not show that auxiliaries of other modalities do more than random weights."


def _excluded(summary: Summary) -> list[Statement]:
    """How large an average difference from random weights is excluded, if none is shown; and what follows for other targets."""
    over = together(summary, "random")
    if over is None or over.margin is None:
        return []
    others = "" if over.targets_like_these is None or over.left_out else _of_targets(over.targets_like_these, len(over.targets))
    if not over.average.sign:
        claim = f"On average the difference from random weights is shown to be smaller than {upwards(over.margin)} points."
        these = "this target" if len(over.targets) == 1 else f"these {len(over.targets)} targets"
        return [Statement(claim, f"Two one-sided tests at 5 %, {_count(over.average.n, 'seed')} of {these}. {others}".rstrip())]
    if not others or over.targets_like_these is None:
        return []
    if over.targets_like_these.sign == over.average.sign:
        word = "higher" if over.average.sign > 0 else "lower"
        return [Statement(f"Taking the targets as a sample, scores are shown to be {word} on targets like these too.", others)]
    return [Statement("It is not shown that other targets would have the same difference.", others)]


def _of_targets(others: Pooled, count: int) -> str:
    """The mean over targets with its interval; empty without one."""
    if others.low is None or others.high is None:
        return ""
    ends = f"95 % interval {signed(others.low)} to {signed(others.high)}"
    return f"For targets like these (a sample of {count}) the mean difference is {signed(others.value)}, {ends}."


def upwards(value: float) -> str:
    """A margin as text, rounded up: stated smaller than it is, it would claim too much."""
    return f"{math.ceil(round(value, 9) * 100) / 100:.2f}"


def _control(summary: Summary) -> Statement:
    """The positive control: whether the study could have seen useful weights at all."""
    own = summary.select("random", "own")
    tested = [item for item in own if item.estimate.half_width is not None]
    if not own:
        lack = "It lacks the positive control, own modality against random."
        return Statement("It is not known what the study can detect.", lack)
    if not tested:
        return Statement("It is not known yet what the study can detect.", _NEEDED)
    values = ", ".join(f"{item.target} {difference(item.estimate)}" for item in own)
    detail = f"Positive control, own modality against random weights: {_tally(tested, len(own), 'target')}: {values}."
    holding, shown = _holding(tested, 1), _beyond(tested, 1)
    if holding:
        return Statement(f"The study can detect useful weights on {_listed([item.target for item in holding])}.", detail)
    if shown:
        return Statement("There is only weak evidence that the study can detect useful weights.", detail)
    lack = "The study has not been shown to detect useful weights, so the absence of a gain means little."
    return Statement(lack, detail)


def _baseline(summary: Summary) -> list[Statement]:
    """Gains over no auxiliary, of other modalities and of random weights: the first can only be read with the second."""
    pairs, controls = summary.select("baseline", "pair"), summary.select("baseline", "random")
    tested = [item for item in pairs if item.estimate.half_width is not None]
    if not pairs:
        return []
    if not tested:
        return [Statement("No pair can be compared with its baseline yet.", _NEEDED)]
    random = [item for item in controls if item.estimate.half_width is not None]
    average = summary.averages["baseline"]
    mean = f" On average over the pairs {difference(average)} points." if average.mean is not None else ""
    detail = f"Other modalities against no auxiliary: {_tally(tested, len(pairs))}.{mean}"
    if random:
        detail += f" Random weights against no auxiliary: {_tally(random, len(controls), 'target')}."
    if _holding(random, 1):
        return [Statement("A gain over no auxiliary is no evidence of knowledge here: random weights gain too.", detail)]
    return [Statement("A gain over no auxiliary has to be compared with what random weights gain.", detail)]


def _resolution(summary: Summary) -> list[Statement]:
    tested = [item for item in summary.select("random", "pair") if item.estimate.half_width is not None]
    rows = [sureness(item, SIGNIFICANT / len(tested)) for item in tested]
    sizes = [row.detectable for row in rows if row.detectable is not None]
    widths = [item.estimate.half_width for item in tested if item.estimate.half_width is not None]
    if not sizes:
        return []
    claim = f"In a single pair, only a true difference of {upwards(median(sizes))} points or more can be relied on to be seen."
    sure = f"The median interval of a pair against random weights is ± {median(widths):.2f} points. In the median pair a true"
    chance = f"difference of {upwards(median(sizes))} points is claimed with a probability of 80 % or more, after the correction"
    return [Statement(claim, f"{sure} {chance} for {_count(len(tested), 'pair')}; the spread is taken at its upper 90 % bound.")]


def _tally(tested: Sequence[Comparison], planned: int, noun: str = "pair") -> str:
    """How many intervals are above and below 0, and how many of those remain after the correction."""
    up, down = _beyond(tested, 1), _beyond(tested, -1)
    among = _count(len(tested), noun)
    if len(tested) != planned:
        among = f"the {among} with an interval ({planned} planned)"
    if not up and not down:
        return f"the interval excludes 0 on none of {among}"
    sides = " and ".join([f"above 0 on {len(up)}"] * bool(up) + [f"below 0 on {len(down)}"] * bool(down))
    remaining = [*_holding(tested, 1), *_holding(tested, -1)]
    if len(tested) == 1:
        return f"the interval is {sides} of {among}"
    names = f" ({_names(remaining)})" if 0 < len(remaining) <= _MOST_NAMES and noun == "pair" else ""
    return f"the interval is {sides} of {among}; {len(remaining) or 'none'} after Holm's correction{names}"


def _beyond(items: Sequence[Comparison], sign: int) -> list[Comparison]:
    return [item for item in items if item.estimate.sign == sign]


def _holding(items: Sequence[Comparison], sign: int) -> list[Comparison]:
    return [item for item in _beyond(items, sign) if item.holds]


def _names(items: Sequence[Comparison]) -> str:
    return _listed([f"{item.target} from {item.auxiliary}" for item in items])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
