"""The claims about each condition of a study: those of the first are the primary family, those of the others exploratory.

The claims of the primary family stand at the top of a report, and all of them are true together with a probability of 95 %.
They are about one condition, the study as it is without changes, and about gains over random weights:

- `others`: the average over the pathways of other modalities, one for each metric (points of accuracy and of mAP have no mean);
- its pairs, each by itself;
- `controls`: the averages of the positive controls;
- `questions`: the averages that the study itself asks for (`design.questions`).

The graph gives the averages of other modalities 60 % of the error rate, their pairs 20 %, the controls 20 %. A control that is
shown passes its share to the averages of other modalities; a pair that is shown to the other pairs, as in Holm's procedure. An
average of other modalities that is shown passes half of its share to its pairs. The other half pays for what is said of the
average beyond "it is not 0": its direction where it is shown, and a margin where it is not (`Claim.margin`). A margin is one
end of the two-sided interval at the level of the average's own test, and like a wrong direction it is false only if that
interval misses the true average on one side, the side of 0: with half of the level. So all claims, their directions and margins
hold together. Where a smallest difference of interest is declared, the average passes on a quarter of its share only. The other
quarter pays for saying that the average is larger: where that is false, the interval at half of the level misses it on one side.
That it is smaller, on either side, needs no more than a margin does.

Questions have 60 parts beside the 60, 20 and 20 of the others. They pass on what an average of other modalities does, for the
same reasons: to such averages, and to each other.

Why this graph: simulated with 12 pairs, differences of standard deviation 1.41 that share their random runs, and a control that
is shown. Chance of a claim about other modalities at 4, 5 and 10 seeds, in percent:

| | all pairs +1 | one pair +4 |
|---|---|---|
| two tests at 5 % each, which claim something false in 9 % of null studies | 67, 85, 100 | 44, 71, 100 |
| pairs only after their average (80 % for it, 20 % for controls) | 60, 80, 100 | 12, 16, 36 |
| this graph | 54, 75, 100 | 18, 35, 100 |
| 40 % for averages, 40 % for pairs | 46, 68, 100 | 23, 47, 100 |

Serial testing hides a single strong pair behind an average that it hardly moves; this graph costs the average 6 points.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from m2pt.analysis.numbers import families, unequal
from m2pt.analysis.numbers.averages import balanced, measured
from m2pt.analysis.numbers.cells import CONTROLS, Condition, Role
from m2pt.analysis.numbers.comparisons import Comparison, Summary, average, by_measure
from m2pt.analysis.numbers.evidence import tested_over_random
from m2pt.analysis.numbers.families import Graph
from m2pt.analysis.numbers.questions import NOTHING_ASKED, Answer, Answers, Question
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.numbers.samples import OverSamples, Scores, over_samples
from m2pt.analysis.numbers.statistics import BySeed, Estimate
from m2pt.analysis.numbers.unequal import Missing

Kind = Literal["others", "control", "pair", "question"]

_SHARES: dict[Kind, float] = {"others": 0.6, "pair": 0.2, "control": 0.2, "question": 0.6}
_PASSED: dict[Kind, float] = {"others": 0.5, "pair": 1.0, "control": 1.0, "question": 0.5}
_PASSED_WITH_SMALLEST = 0.25


@dataclass(frozen=True)
class Claim:
    """One hypothesis: that some comparisons are 0 on average.

    `estimate` is their mean over seeds, judged by `rule`. `p_value` is that of the worst case where runs are missing on one side
    more than on the other. `adjusted_p` is at most 0.05 where the claim is made; `weight` the share of the primary family's error
    rate that it was last tested at, 0 for an exploratory claim and where no claim may be made; `share` the one that it had at the
    start. `further` has its test samples as a sample, where it is known what each of them scored; `further_p` is the p-value of
    that, adjusted in the same graph.
    """

    kind: Kind
    role: Role
    comparisons: tuple[Comparison, ...]
    estimate: Estimate
    p_value: float | None
    adjusted_p: float | None = None
    weight: float = 0.0
    share: float = 0.0
    rule: Rule = FIXED
    further: OverSamples | None = None
    further_p: float | None = None
    question: Question | None = None

    @property
    def metric(self) -> str:
        """The usual name of the scores that are compared."""
        return self.comparisons[0].measure

    @property
    def sign(self) -> int:
        """1 or -1 if it is shown to be above or below 0, else 0."""
        return (1 if (self.estimate.mean or 0.0) > 0 else -1) if families.holds(self.adjusted_p) else 0

    @property
    def covers_samples(self) -> bool:
        """Whether it is shown for further test samples too, not only on those that the runs were scored on."""
        return self.sign != 0 and families.holds(self.further_p)

    @property
    def values(self) -> BySeed:
        """One number per seed, whose mean is the estimate."""
        return balanced([item.differences for item in self.comparisons])

    @property
    def measured(self) -> tuple[Comparison, ...]:
        """The comparisons that have runs enough to be in the average."""
        return tuple(self.comparisons[place] for place in measured([item.differences for item in self.comparisons]))

    @property
    def missing(self) -> Missing:
        """The runs that the two sides lack."""
        return unequal.missing([(item.cell, item.reference) for item in self.comparisons])

    @property
    def margin(self) -> float | None:
        """What its size is shown to be below, together with all other claims; None where it is shown to differ from 0.

        None also without an interval, and where missing runs make the interval doubtful.
        """
        if self.sign or self.missing.is_suspect or not self.weight:
            return None
        return self._largest(families.SIGNIFICANT * self.weight)

    @property
    def size(self) -> int | None:
        """How the difference compares with the smallest one of interest.

        1 if it is shown to be larger, on the side of its sign; -1 if it is shown to be smaller, on either side; 0 if neither is
        shown; None where none was declared, or nothing can be said. Both hold together with all other claims.
        """
        smallest, mean = self.rule.smallest, self.estimate.mean
        if smallest is None or mean is None or self.estimate.half_width is None or not self.weight or self.missing.is_suspect:
            return None
        level = families.SIGNIFICANT * self.weight
        reach = self.rule.half_width(self.estimate, level / 2)
        if self.sign and reach is not None and abs(mean) - reach > smallest:
            return 1
        largest = self._largest(level)
        return -1 if largest is not None and largest < smallest else 0

    @property
    def size_level(self) -> float:
        """How often the interval may miss the true difference that decides `size`: to be larger takes the wider one."""
        return families.SIGNIFICANT * self.weight / (2 if self.sign and self.size != -1 else 1)

    def ends(self, level: float) -> tuple[float, ...]:
        """The ends of the two-sided interval that misses the true mean with this probability; empty where there is none."""
        mean, reach = self.estimate.mean, self.rule.half_width(self.estimate, level)
        return () if mean is None or reach is None else (mean - reach, mean + reach)

    def _largest(self, level: float) -> float | None:
        """The larger of these ends, by size."""
        return max(map(abs, self.ends(level)), default=None)

    @property
    def is_withheld(self) -> bool:
        """Whether it would be claimed, were it not for runs that are missing on one side more than on the other."""
        own = self.estimate.p_value
        level = families.SIGNIFICANT * (self.weight or 1.0)
        return not self.sign and own is not None and self.p_value != own and own <= level


@dataclass(frozen=True)
class Claims:
    """What is tested about one condition.

    `random_gains` are the averages of random weights over no auxiliary, which are exploratory in every condition. `family` is how
    many gains over random weights are tested in the tables of all conditions, as one exploratory family.
    """

    is_primary: bool
    others: tuple[Claim, ...]
    pairs: tuple[Claim, ...]
    controls: tuple[Claim, ...]
    random_gains: tuple[Claim, ...]
    family: int = 0
    questions: tuple[Claim, ...] = ()

    def control(self, role: Role) -> list[Claim]:
        """The claims about one control, one for each metric."""
        return [item for item in self.controls if item.role == role]


def claims(
    summaries: Sequence[Summary], scores: Scores | None = None, rule: Rule = FIXED, answers: Answers = NOTHING_ASKED
) -> dict[Condition, Claims]:
    """Test the claims about all conditions of a study; the first that asks anything has the primary ones, `answers` included.

    These are judged by `rule`; all others by the t test of a fixed number of seeds. The averages of the other conditions, and
    those of random weights in all of them, are one exploratory family. Their pairs are claimed in tables alone.

    With `scores`, what each test sample scored, the primary claims are tested for further test samples too. That is a second
    family, with the same graph and a family-wise error of 5 % of its own. Its p-values are never smaller, so it makes no claim
    that the first does not make. It is for fixed designs alone.
    """
    family = tested_over_random(summaries)
    drafts = {summary.condition: _draft(summary) for summary in summaries}
    first = next((condition for condition, item in drafts.items() if item.others or item.controls or condition in answers), None)
    made = {condition: replace(item, pairs=()) for condition, item in drafts.items()}
    made |= {
        summary.condition: _primary(_draft(summary, rule, answers.get(summary.condition, ())), rule, scores or {})
        for summary in summaries
        if summary.condition == first
    }
    adjusted = iter(families.discoveries([claim.p_value for item in made.values() for claim in _exploratory(item)]))
    for condition, item in made.items():
        tested = iter([replace(claim, adjusted_p=next(adjusted)) for claim in _exploratory(item)])
        if not item.is_primary:
            others, controls = (tuple(next(tested) for _ in items) for items in (item.others, item.controls))
            item = replace(item, others=others, controls=controls)
        made[condition] = replace(item, random_gains=tuple(tested), family=family)
    return made


def _exploratory(item: Claims) -> list[Claim]:
    return [*(() if item.is_primary else (*item.others, *item.controls)), *item.random_gains]


def _draft(summary: Summary, rule: Rule = FIXED, answers: Sequence[Answer] = ()) -> Claims:
    """The claims of one condition, not corrected yet."""
    within = unequal.ranges(summary.cells)

    def of(kind: Kind, items: Sequence[Comparison]) -> list[Claim]:
        return [_claim(kind, mine, within, rule) for mine in by_measure(items)]

    others = of("others", summary.select("random", "pair"))
    pairs = [_pair(item, within, rule) for claim in others for item in claim.comparisons if len(claim.comparisons) > 1]
    controls = [claim for role in CONTROLS for claim in of("control", summary.select("random", role))]
    gains = [_claim("control", mine, within) for mine in by_measure(summary.select("baseline", "random"))]
    asked = [replace(_claim("question", one.comparisons, one.within, rule), question=one.question) for one in answers]
    return Claims(False, tuple(others), tuple(pairs), tuple(controls), tuple(gains), questions=tuple(asked))


def _primary(item: Claims, rule: Rule, scores: Scores) -> Claims:
    kinds = (item.others, item.pairs, item.controls, item.questions)
    family = [claim for kind in kinds for claim in kind]
    if rule.planned is None and not rule.refused:
        family = [replace(claim, further=over_samples(claim.estimate, claim.measured, scores)) for claim in family]
    graph = _graph(family, rule)
    tested = families.decide(graph, [None if rule.refused else claim.p_value for claim in family])
    beyond = families.decide(graph, [_further_p(claim) for claim in family])
    made = iter(
        replace(claim, adjusted_p=p, weight=0.0 if rule.refused else weight, further_p=further, share=share)
        for claim, p, weight, further, share in zip(
            family, tested.adjusted_p, tested.weights, beyond.adjusted_p, graph.weights, strict=True
        )
    )
    others, pairs, controls, questions = (tuple(next(made) for _ in kind) for kind in kinds)
    return replace(item, is_primary=True, others=others, pairs=pairs, controls=controls, questions=questions)


def _further_p(claim: Claim) -> float | None:
    """The p-value for further test samples; that of the worst case counts too, where runs are missing."""
    p = None if claim.further is None else claim.further.further.p_value
    return None if p is None or claim.p_value is None else max(p, claim.p_value)


def _claim(kind: Kind, comparisons: Sequence[Comparison], within: unequal.Ranges, rule: Rule = FIXED) -> Claim:
    pairs = [(item.cell, item.reference) for item in comparisons]
    value = rule.judged(average(comparisons))
    p = unequal.guarded(pairs, value, within, unequal.missing(pairs).is_suspect, rule)
    return Claim(kind, comparisons[0].role, tuple(comparisons), value, p, rule=rule)


def _pair(item: Comparison, within: unequal.Ranges, rule: Rule) -> Claim:
    value = rule.judged(item.estimate)
    p = unequal.guarded([(item.cell, item.reference)], value, within, item.p_value != item.estimate.p_value, rule)
    return Claim("pair", item.role, (item,), value, p, rule=rule)


def _graph(claims: Sequence[Claim], rule: Rule = FIXED) -> Graph:
    """The weights of the claims, and where they go; a kind that is absent leaves its share to the others in proportion."""
    passed = _PASSED if rule.smallest is None else _PASSED | dict.fromkeys(("others", "question"), _PASSED_WITH_SMALLEST)
    counts = Counter(item.kind for item in claims)
    total = sum(_SHARES[kind] for kind in counts)
    weights = tuple(_SHARES[item.kind] / total / counts[item.kind] for item in claims)
    arrows = [[float(one is not other and _leads(one, other, counts)) for other in claims] for one in claims]
    rows = [(row, passed[item.kind] / sum(row) if any(row) else 0.0) for item, row in zip(claims, arrows, strict=True)]
    return Graph(weights, tuple(tuple(arrow * share for arrow in row) for row, share in rows))


def _leads(one: Claim, other: Claim, counts: Mapping[Kind, int]) -> bool:
    """Whether a claim passes its weight to another."""
    if one.kind == "others":
        return other.kind == "pair" and other.metric == one.metric
    if one.kind == "pair":
        return other.kind == "pair"
    averages = [kind for kind in ("others", "question") if counts[kind]]
    return other.kind in (averages or ["control"])
