"""Every method next to every other: what it gains over the baseline, the random pathway, and itself with random weights."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Details, Entry, Group, Paragraph, Section, Table, Text, code, plain, prose
from m2pt.analysis.numbers.cells import ROLES, Condition
from m2pt.analysis.numbers.contrasts import OwnControl
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections import folding, matrices
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import ABOUT_COSTS
from m2pt.analysis.sections.published import cost_sentence
from m2pt.analysis.sections.wording import NONE, capital, of_family, of_gain, of_p
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.methods import MethodRow
from m2pt.methods import METHODS


def section(facts: Facts) -> Section | None:
    """None where the study has only the methods that every study has."""
    conditions = with_rivals(facts)
    if not conditions:
        return None
    lacking = "" if facts.ablations.own_random else " (a part with `sweep.auxiliary_encoder: random`, which this study lacks)"
    words = (
        "Every method under the same recipe, over all targets and the auxiliaries it was run with: the mean difference in "
        "points, one number per seed, with its 95 % t interval; p after the correction over both gains of all methods. The "
        "random pathway (`random_auxiliary`) is what any use of an auxiliary has to beat"
        f"{_other_controls([row for _, rows in conditions for row in rows])}; the comparison of a rival with itself "
        f"with random weights shows what it owes to the auxiliary's weights{lacking}. Times, and gains against costs, are "
        f"[kept apart]({ABOUT_COSTS}). {of_family('methods', facts.rates)} "
        "A method over itself with random weights, on average and by pair, is tested in the "
        'family "methods over themselves". Gains on single targets are not tested.'
        f"{facts.unmixed}"
    )
    blocks: list[Block] = [Paragraph(prose(words))]
    for condition, rows in conditions:
        tables = (_table(facts, condition, rows), *_own_controls(facts, condition))
        blocks += tables if facts.is_reference(condition) else [Details(folding.title(condition), tables)]
    if not facts.paper.tables:
        blocks.append(Paragraph(plain(cost_sentence(facts.paper.costs, measured=False)), "caption"))
    return Section("Methods", "methods", tuple(blocks))


def _other_controls(rows: Sequence[MethodRow]) -> str:
    """Which methods have random weights of their own to beat."""
    names = [name for name in dict.fromkeys(row.name for row in rows) if METHODS[name].control != "random_auxiliary"]
    listed = ", ".join(f"`{METHODS[name].control}` for `{name}`" for name in names)
    return f" ({listed})" if listed else ""


def with_rivals(facts: Facts) -> list[tuple[Condition, list[MethodRow]]]:
    """The methods of each condition that has more than the methods of every study."""
    of_conditions = [
        (summary.condition, [row for row in facts.analysis.methods if row.condition == summary.condition])
        for summary in facts.analysis.summaries
    ]
    return [(condition, rows) for condition, rows in of_conditions if any(row.name not in ROLES for row in rows)]


def name_of(row: MethodRow) -> Entry:
    """A method with its kind and what it does."""
    return Entry(code(row.name), row.name, under=(plain(f"{row.kind}: {row.says.replace('`', '')}"),))


def _table(facts: Facts, condition: Condition, rows: Sequence[MethodRow]) -> Table:
    controlled = bool(facts.ablations.controls(condition))
    names = ["over no auxiliary", "p (corrected)", "over the random pathway", "p (corrected)"]
    names += ["over itself with random weights"] if controlled else []
    columns = [Column(plain("method"), head=True), *(Column(plain(name), number=True) for name in names)]
    columns += [Column(plain(target), number=True) for target in rows[0].targets]
    columns += [Column(plain("trainable"), number=True, label="trainable parameters"), Column(plain("runs"), number=True)]
    entries = []
    for row in rows:
        control = facts.ablations.own_random.get((condition.slug, row.name))
        own = [of_gain(control.overall, holds=control.holds, missing=control.missing) if control else NONE] if controlled else []
        entries.append((
            name_of(row), of_gain(row.gain, holds=row.holds, missing=row.missing), of_p(row.adjusted_p),
            of_gain(row.over_random, holds=row.holds_over_random, missing=row.missing_random), of_p(row.adjusted_random_p), *own,
            *(of_gain(row.gains[target]) for target in row.targets),
            parameters(row.trainable_parameters), Entry(plain(f"{row.complete} of {row.runs}"), row.complete),
        ))  # fmt: skip
    caption = plain(f"{capital(condition.label)}: gains in points")
    return Table("Methods", caption, tuple(columns), (Group(tuple(entries)),), "compact")


def parameters(count: float | None) -> Entry:
    """An exact number of parameters."""
    return Entry(plain("–" if count is None else f"{count:,.0f}"), count)


def _own_controls(facts: Facts, condition: Condition) -> list[Table]:
    controls = [item for item in facts.ablations.controls(condition) if len(item.pairs) > 1]
    where = f" ({condition.part})" if facts.many else ""
    return [_own_control(item, where) for item in controls]


def _own_control(item: OwnControl, where: str) -> Table:
    rows = []
    for target, value in item.targets.items():
        pairs = (matrices.gain(item.pair(target, name), item.largest or 1) for name in item.auxiliaries)
        line = f"± {rounded(value.half_width, 2)}" if value.half_width is not None else value.note
        mean = Entry(plain(signed(value.mean) if value.mean is not None else "–"), value.mean, value, (plain(line),))
        rows.append((Entry(plain(target), target), *pairs, mean))
    columns = (*matrices.by_auxiliary(item.auxiliaries), Column(plain("all")))
    words = f" over itself with random weights in the auxiliary's place, points{where}"
    caption: Text = (*code(item.method), *plain(words))
    return Table(f"{item.method} over itself with random weights", caption, columns, (Group(tuple(rows)),), "matrix")
