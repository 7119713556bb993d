"""How sure the comparisons are: what the seeds of each pair can show, and all targets together."""

from collections.abc import Callable

from m2pt.analysis.content import Block, Column, Details, Entry, Group, Paragraph, Section, Table, plain, prose
from m2pt.analysis.numbers.comparisons import Against
from m2pt.analysis.numbers.evidence import Evidence, Sureness, Together
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS, Pooled
from m2pt.analysis.numbers.power import MOST_SEEDS
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.samples import SampleEvidence
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import (
    AGAINST,
    NONE,
    numeric,
    of_difference,
    of_margin,
    of_p,
    of_planned,
)
from m2pt.analysis.tables.headline import difference, signed

_INTRODUCTION = (
    "Each pair is a sample of fine-tuning seeds of its target; seeds of different targets are never pooled into one sample. "
    "For all targets together there are two questions: what further seeds of *these* targets would give, and what further "
    "targets *like these* would give. The second needs many targets, so with few its interval is wide. All of this "
    "describes: intervals are 95 % intervals and margins hold with 95 %, each by itself{}. [What the terms mean](#reading)."
)
_CLAIMS = ", and the claims are [at the top](#findings)"
_NO_RATES = ", for seeds that are chosen before results are seen, which these were not"
_NOTHING_YET = (
    "Nothing here can be computed yet: an interval needs two seeds that are complete on both sides, with differences that "
    "are not all equal."
)
_SEEDS = (
    "Detectable: a true difference of this size would be claimed with a probability of 80 % or more, after the strictest step "
    "of the correction for all pairs. Seeds for 1 point, or for a difference of the measured size: so many show it with that "
    "probability. The spread of few seeds is itself uncertain, so all of this is judged by its upper 90 % bound, and the "
    "measured size by its lower one: the numbers suffice in nine studies of ten. A dash says that no number is shown to "
    "suffice. Adding seeds until an interval excludes 0 makes it exclude 0 too often: choose the number once, and confirm with "
    "fresh seeds."
)
_MIXED = "The targets are measured by several metrics, whose points have no mean: nothing is averaged over all targets."
_FEW_SEEDS = (
    f"Too few seeds for a bootstrap: with fewer than {BOOTSTRAP_SEEDS}, its intervals contain the true value less often than the "
    "stated 95 %, so none is shown."
)

_SAMPLES = (
    Column(plain("with further"), "test samples", number=True),
    Column(plain("p of these runs"), "on others", number=True),
)
_ON_SAMPLES = (
    "With further test samples: the half-width of the interval for further seeds and further test samples; the one beside the "
    "difference is for further seeds on these test samples. p of these runs on others: that of a difference between these very "
    "runs on further test samples, without correction (a t test over samples, each with its mean over seeds; McNemar's exact "
    "test where one run is compared with one)."
)


def section(facts: Facts) -> Section | None:
    """None where nothing is compared with random weights."""
    items = facts.analysis.evidence
    if not items:
        return None
    first = _condition(items[0], facts.analysis.samples[items[0].condition])
    beside = _NO_RATES if facts.rates == "none" else "" if facts.source.validity.refusal else _CLAIMS
    blocks: list[Block] = [Paragraph(prose(_INTRODUCTION.format(beside))), *folding.headed(facts, items[0].condition), *first]
    others = ((item.condition, _condition(item, facts.analysis.samples[item.condition])) for item in items[1:])
    folded = [Details(folding.title(condition), blocks, printed=True) for condition, blocks in others]
    blocks += [Details(plain(f"The other {len(folded)} parts"), tuple(folded))] if len(folded) > 1 else folded
    return Section("How sure is this", "evidence", (*blocks, Paragraph(plain(_SEEDS), "caption")), "How sure")


def _condition(item: Evidence, samples: SampleEvidence) -> folding.Blocks:
    blocks: list[Block] = [] if item.has_interval else [Paragraph(plain(_NOTHING_YET), "notice")]
    if item.seeds:
        blocks += [*_pairs(item, samples), *_together(item, samples)]
    return tuple(blocks)


def _pairs(item: Evidence, samples: SampleEvidence) -> folding.Blocks:
    resampled = any(row.bootstrap for row in item.rows)
    columns = [
        Column(plain("target and auxiliary"), head=True),
        Column(plain("difference"), number=True),
        Column(plain("n"), number=True),
        *([Column(plain("by bootstrap"), number=True)] if resampled else []),
        *(_SAMPLES if samples.pairs else ()),
        Column(plain("shown to be"), "below", number=True),
        Column(plain("detectable"), "(80 % power)", number=True),
        Column(plain("seeds for"), "1 point", number=True),
        Column(plain("seeds for"), "this size", number=True),
    ]
    caption = plain("Each pair against random weights: what its seeds can show, points")
    of_samples = [_of_samples(row, samples) if samples.pairs else () for row in item.rows]
    group = Group(tuple(_pair(row, resampled, cells) for row, cells in zip(item.rows, of_samples, strict=True)))
    table = Table("What the seeds can show, pair by pair", caption, tuple(columns), (group,))
    few = item.has_interval and not resampled
    words = [_FEW_SEEDS] * few + [_ON_SAMPLES] * bool(samples.pairs)
    words += [f"Nothing is said of further test samples where {reason}." for reason in samples.lacks]
    return table, *(Paragraph(plain(sentence), "caption") for sentence in words)


def _of_samples(row: Sureness, samples: SampleEvidence) -> tuple[Entry, Entry]:
    """The interval that covers test samples too, and the p-value of these very runs."""
    found = samples.pairs.get(row.comparison.cell.key)
    if found is None:
        return NONE, NONE
    width = found.further.half_width
    shown = NONE if width is None else Entry(plain(f"± {rounded(width, 2)}"), width, found.further)
    return shown, of_p(found.runs.p_value)


def _pair(row: Sureness, resampled: bool, of_samples: tuple[Entry, ...]) -> tuple[Entry, ...]:
    item, value = row.comparison, row.comparison.estimate
    name = f"{item.target} from {item.column}" + ("" if item.role == "pair" else " (control)")
    lost = (plain(item.missing.words),) if item.missing.differs else ()
    return (
        Entry(plain(name), name),
        Entry(plain(_shown(value)), value.mean, value, under=lost),
        Entry(plain(of_planned(value)), value.n),
        *([_bootstrap(row)] if resampled else []),
        *of_samples,
        of_margin(row.margin),
        numeric(row.detectable, 2),
        _seeds(row, row.seeds_for_point),
        _seeds(row, row.seeds_for_measured, measured=True),
    )


def _shown(value: Estimate) -> str:
    if value.mean is None or value.half_width is not None:
        return difference(value)
    return f"{signed(value.mean)} ({'one seed' if value.n == 1 else 'all equal'})"


def _bootstrap(row: Sureness) -> Entry:
    if row.bootstrap:
        return Entry(plain(f"{signed(row.bootstrap[0])} to {signed(row.bootstrap[1])}"))
    return NONE if row.margin is None else Entry(plain("too few seeds"))


def _seeds(row: Sureness, count: int | None, *, measured: bool = False) -> Entry:
    if row.margin is None or (count is None and measured):
        return NONE
    return Entry(plain(f"over {MOST_SEEDS}" if count is None else count), count)


def _together(item: Evidence, samples: SampleEvidence) -> folding.Blocks:
    over = list(item.together.values())
    if not over:
        mixed = len({row.comparison.cell.metric for row in item.rows if row.comparison.role == "pair"}) > 1
        return (Paragraph(plain(_MIXED), "caption"),) if mixed else ()
    columns = (Column(plain(""), head=True), *(Column(plain("over"), AGAINST[name], number=True) for name in item.together))

    def line(name: str, entry: Callable[[Together], Entry]) -> tuple[Entry, ...]:
        return (Entry(plain(name), name), *map(entry, over))

    these = (
        line("mean over all pairs", lambda value: of_difference(value.average)),
        line("its size is shown to be below", lambda value: of_margin(value.margin)),
        line("mean of the middle half of the pairs", lambda value: of_difference(value.middle)),
        line("mean of the middle half of the runs, by bootstrap", lambda value: _pooled(value.resampled)),
    )
    with_samples = (
        (Entry(plain("mean over all pairs"), "mean over all pairs"), *(_average(samples, against) for against in item.together)),
    )
    like_these = (
        line("mean over targets", lambda value: _pooled(value.targets_like_these)),
        line("spread between targets", lambda value: _spread(value.targets_like_these)),
    )
    runs = (line("chance that a run scores higher", _improvement),)
    groups = (
        Group(these, "For further seeds of these targets"),
        *([Group(with_samples, "For further seeds and further test samples of these targets")] if samples.averages else []),
        Group(like_these, "For further targets like these"),
        Group(runs, "For these runs alone, without an interval"),
    )
    caption = plain("All targets together: gains of other modalities, points")
    table = Table("All targets together", caption, columns, groups)
    return table, *(Paragraph(plain(words), "caption") for words in _limits(over[0]))


def _average(samples: SampleEvidence, against: Against) -> Entry:
    over = samples.averages.get(against)
    return NONE if over is None else of_difference(over.further)


def _limits(value: Together) -> list[str]:
    """What cannot be said because of the targets."""
    words = []
    if value.left_out:
        words.append(f"Without {', '.join(value.left_out)}: fewer than two seeds are complete there.")
    if len(value.targets) == 1:
        words.append("One target: nothing can be said about others.")
    return words


def _pooled(item: Pooled | None) -> Entry:
    if item is None:
        return NONE
    interval = "no interval" if item.low is None or item.high is None else f"({signed(item.low)} to {signed(item.high)})"
    return Entry(plain(signed(item.value)), item.value, lines=(plain(interval),))


def _spread(item: Pooled | None) -> Entry:
    return NONE if item is None else numeric(item.spread, 2)


def _improvement(value: Together) -> Entry:
    share = value.improvement
    return NONE if share is None else Entry(plain(f"{rounded(100 * share, 0)} %"), 100 * share)
