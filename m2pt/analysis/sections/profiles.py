"""Performance profiles of the methods: how their gains are distributed over runs and targets."""

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, code, plain, prose
from m2pt.analysis.figures.profiles import MOST_LINES, shown
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS
from m2pt.analysis.numbers.profiles import MethodProfiles, Profile, Share
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import NONE
from m2pt.analysis.tables.phrases import counted
from m2pt.config import MethodName

_INTRODUCTION = (
    "How are the gains of each method distributed? A profile is the share of a method's runs that gain more than so many points "
    "over no auxiliary (the run with the same seed and encoders without one). It is the mean over targets of the share of each "
    "target's runs. A line further to the right is better; a steep one says that runs agree. Profiles are exploratory."
)
_FIGURE = "Share of runs that gain more than so many points over no auxiliary; broken lines: controls."
_BANDS = (
    " Bands and intervals are 95 % bootstrap intervals over draws within each target, each threshold by itself; they are for "
    "further seeds of these targets, on these test samples."
)
_CHANCE = (
    "The chance that a run scores higher is that of one run of the method against one of the other on the same target, over all "
    "pairs of runs; ties count half."
)


def section(facts: Facts) -> Section | None:
    """None where no condition has profiles."""
    if not facts.analysis.profiles:
        return None
    blocks: list[Block] = [Paragraph(plain(_INTRODUCTION))]
    for item in facts.analysis.profiles:
        blocks += [*folding.headed(facts, item.condition), *_condition(facts, item)]
    return Section("Profiles", "profiles", (*blocks, Paragraph(plain(_CHANCE), "caption")))


def _condition(facts: Facts, item: MethodProfiles) -> list[Block]:
    blocks: list[Block] = []
    if item.condition in facts.drawn:
        blocks.append(folding.gallery(facts, "profiles", item.condition, _FIGURE + (_BANDS if item.has_bands else "")))
    if not item.has_bands:
        words = f"No bands and no intervals: with fewer than {BOOTSTRAP_SEEDS} draws of a target, or crossed ones, none holds."
        blocks.append(Paragraph(plain(words), "caption"))
    drawn = [profile.method for profile in shown(item)]
    if item.condition in facts.drawn and len(drawn) < len(item.profiles):
        blocks.append(Paragraph(prose(f"The figure has the first {MOST_LINES} methods, the table has all."), "caption"))
    blocks.append(_table(item))
    if item.left_out:
        words = f"Without profiles, because they lack two complete draws on some target: {', '.join(item.left_out)}."
        blocks.append(Paragraph(plain(words), "caption"))
    return blocks


def _table(item: MethodProfiles) -> Table:
    others = list(dict.fromkeys(name for row in item.profiles for name in row.improvement))
    words = {"baseline": "no auxiliary", "random_auxiliary": "random weights"}
    columns = (
        Column(plain("method"), head=True),
        Column(plain("runs that gain"), "over no auxiliary", number=True),
        *(Column(plain("chance to score higher"), f"than {words[name]}", number=True) for name in others),
    )
    rows = tuple(_row(profile, others) for profile in item.profiles)
    counts = sorted(set(item.draws.values()))
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    caption = f"Shares of runs, {counted(len(item.draws), 'target')} with {runs} draws each"
    return Table("Profiles", plain(caption), columns, (Group(rows),))


def _row(profile: Profile, others: list[MethodName]) -> tuple[Entry, ...]:
    chances = (_share(profile.improvement[name]) if name in profile.improvement else NONE for name in others)
    return Entry(code(profile.method), profile.method), _share(profile.gains), *chances


def _share(share: Share) -> Entry:
    """A share in percent, with its interval where there is one."""
    ends = (
        ()
        if share.low is None or share.high is None
        else (plain(f"({rounded(100 * share.low, 0)} to {rounded(100 * share.high, 0)})"),)
    )
    return Entry(plain(f"{rounded(100 * share.value, 0)} %"), 100 * share.value, lines=ends)
