"""What each change does: every part of a study against the reference."""

from m2pt.analysis.content import (
    Block,
    Column,
    Details,
    Entry,
    Gallery,
    Group,
    Paragraph,
    Section,
    Table,
    Text,
    code,
    codes,
    plain,
    prose,
)
from m2pt.analysis.numbers.contrasts import Contrast, Family
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import NONE, change, of_family, of_p, of_score
from m2pt.analysis.tables.headline import signed

_MOST_NAMES = 2
"""A table names up to this many parts of the reference; more are called the unchanged study."""

_GAINS = (
    "The last two columns are gains within a row: over the part's own baseline, and over its own control with random "
    "weights. A part with other data, another recipe or another start shifts every score, so for such a part these gains, "
    "not the difference, say what the change does to the method. Runs that a change does not affect are the same runs, and "
    "have no row."
)


def section(facts: Facts) -> Section | None:
    """None where no part changes anything."""
    families = facts.ablations.families
    if not families:
        return None
    words = (
        "What does each change do? A part is this study with some settings changed. Each row compares it with the same method, "
        f"target, auxiliary and seed without the change ({codes(facts.ablations.reference)}). Differences are averaged over "
        'auxiliaries; "all targets" takes one number per seed. Intervals are 95 % t intervals over seeds; p is after the '
        f"correction over all rows of all methods. {of_family('ablations', facts.rates)} "
        f"Only the differences over all targets are tested.{facts.unmixed}"
    )
    blocks: list[Block] = [Paragraph(prose(words)), Paragraph(prose(_GAINS))]
    for picture in (picture for picture in facts.pictures if picture.section == "ablations"):
        caption = (
            f"The `{picture.condition}`, over all targets, with 95 % t intervals, each by itself. A star marks what the table "
            "marks; gains over random weights are not tested. Numbers in grey: parts whose scores cannot be compared directly."
        )
        blocks += [Gallery((folding.figure(picture),), look="forest"), Paragraph(prose(caption), "caption")]
    blocks.append(_table(facts, families[0]))
    blocks += [Details(prose(f"The same for `{family.method}`"), (_table(facts, family),)) for family in families[1:]]
    return Section("Ablations", "ablations", tuple(blocks))


def _table(facts: Facts, family: Family) -> Table:
    reference = facts.ablations.reference
    names = ", ".join(reference) if len(reference) <= _MOST_NAMES else "the unchanged study"
    gained = family.method != "baseline"
    columns = [
        Column(plain("changed"), head=True),
        *(Column(plain(target), number=True) for target in family.targets),
        Column(plain("all targets"), number=True),
        Column(plain("p (corrected)"), number=True),
    ]
    columns += [Column(plain(name), number=True) for name in ("over no auxiliary", "over random weights")] if gained else []
    first = _scores(family, names, family.scores, (family.gain, family.over_random) if gained else ())
    rows = [_scores(family, "no auxiliary", family.baseline, (None, None))] if gained and family.baseline else []
    rows += [first, *(_row(facts, family, row, gained) for row in family.rows)]
    caption = (*code(family.method), *plain(f": difference from {names}, points; below it the test {facts.measure}, %"))
    return Table(f"Ablations of {family.method}", caption, tuple(columns), (Group(tuple(rows)),), "compact")


def _scores(family: Family, name: str, scores: dict[str, Estimate], gains: tuple[Estimate | None, ...]) -> tuple[Entry, ...]:
    """A row of scores, which others are compared with."""
    entries = (of_score(scores[target], " %") if target in scores else NONE for target in family.targets)
    nothing = Entry(text=())
    return (
        Entry(plain(name), name), *entries, nothing, nothing, *(nothing if gain is None else change(gain) for gain in gains)
    )  # fmt: skip


def _row(facts: Facts, family: Family, row: Contrast, gained: bool) -> tuple[Entry, ...]:
    sweep, place = facts.study.sweep, row.condition
    words = row.change.words
    if (place.setting, place.tuning) != (sweep.settings[0], sweep.tunings[0]):
        words += f" ({place.setting}, {place.tuning})"
    entries = (
        Entry(plain(words), row.change.part, under=(code(row.change.part),)),
        *(_cell(row, target) for target in family.targets),
        change(row.overall, holds=row.holds, under=(plain(row.missing.words),) if row.missing.differs else ()),
        of_p(row.adjusted_p),
    )
    return (*entries, change(row.gain), change(row.over_random)) if gained else entries


def _cell(row: Contrast, target: str) -> Entry:
    if target not in row.targets:
        return NONE
    under: list[Text] = [plain("different samples")] if target in row.unlike else []
    mean = row.scores[target].mean
    under += [plain(f"{rounded(mean, 1)} %")] if mean is not None else []
    under += [plain(f"paper {signed(row.published[target])}")] if target in row.published else []
    return change(row.targets[target], under=tuple(under))
