"""The tuning of a sweep: what each arm was trained with, how much its rates matter, and what was chosen."""

from collections.abc import Sequence

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
    plain,
    prose,
)
from m2pt.analysis.figures.rates import SECTION
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import NONE, numeric, word
from m2pt.analysis.tables import tuning
from m2pt.analysis.tables.tuning import Sensitivity
from m2pt.runs.arms import LEARNING_RATE, MULTIPLE, value_at
from m2pt.runs.trials import Trial

_HOW = (
    "Each arm, which is a method on a target with an auxiliary, was trained with equally many values on tuning seeds. The "
    "highest mean validation score chose its rates, and fresh seeds ran with them: all other sections are of these. No test "
    "score of a tuning run was used, and none is shown. An arm with trained scales varies the learning rate and the multiple of "
    "the scales' rate; an arm without them tries as many learning rates in the same range. Of equal scores, the lowest learning "
    "rate and then the lowest multiple is chosen. A trial with a failed run is not chosen. One rate for all arms would favour "
    "the arm that it was chosen for ([arXiv 2107.12460](https://arxiv.org/abs/2107.12460))."
)


def section(facts: Facts) -> Section | None:
    """None for a study that tunes nothing."""
    if not facts.tuning:
        return None
    blocks: list[Block] = [Paragraph(prose(_HOW))]
    first, *others = facts.tuning
    blocks += _group(facts, first)
    blocks += [Details(folding.title(group.condition), tuple(_group(facts, group))) for group in others]
    blocks.append(Details(plain("All trials"), tuple(_trials(group) for group in facts.tuning)))
    return Section("Tuning of each arm", SECTION, tuple(blocks))


def _group(facts: Facts, group: tuning.Group) -> list[Block]:
    blocks: list[Block] = [_chosen(group), _by_rate(facts, group)]
    if pictures := facts.pictures_of(SECTION, group.condition.slug):
        caption = (
            "Mean validation score by learning rate; of an arm with scales, with the best multiple at that rate. The chosen "
            "rate has the large mark."
        )
        blocks.append(Gallery(tuple(map(folding.figure, pictures)), plain(caption)))
    return blocks


def _chosen(group: tuning.Group) -> Table:
    names = ("trials complete", "learning rate", "multiple of scales", "validation, %", "best − worst, points")
    columns = (Column(plain("arm"), head=True), *(Column(plain(name), number=True) for name in names), Column(plain("note")))
    seeds = ", ".join(map(str, group.seeds))
    caption = (
        f"What was chosen from {group.trials} values for each arm, by the mean validation score on "
        f"seed{'' if len(group.seeds) == 1 else 's'} {seeds}; the last number is how much the rates matter"
    )
    rows = tuple(Group(tuple(map(_choice, arms)), title=target) for target, arms in group.targets.items())
    return Table(f"Chosen rates, {group.condition.label}", plain(caption), columns, rows)


def _choice(item: Sensitivity) -> tuple[Entry, ...]:
    arm = item.arm
    count = f"{len(arm.complete)} of {len(arm.trials)}"
    head = (_head(item), Entry(plain(count), len(arm.complete)))
    if (best := arm.chosen) is None:
        return (*head, NONE, NONE, NONE, numeric(item.spread, 2), word(tuning.notes(arm)))
    return (
        *head,
        _value(best, LEARNING_RATE),
        _value(best, MULTIPLE),
        numeric(best.score, 2),
        numeric(item.spread, 2),
        word(tuning.notes(arm)),
    )


def _value(trial: Trial, key: str) -> Entry:
    return Entry(plain(f"{value_at(trial, key):g}"), value_at(trial, key)) if key in trial.values else NONE


def _head(item: Sensitivity) -> Entry:
    arm = item.arm.arm
    origin: Text = plain(f" from {arm.auxiliary.replace('+', ', ')}") if arm.auxiliary else ()
    return Entry((*code(arm.method), *origin), arm.slug)


def _by_rate(facts: Facts, group: tuning.Group) -> Table:
    columns = (Column(plain("arm"), head=True), *(Column(plain(f"{rate:g}"), number=True) for rate in group.rates))
    best = ", of an arm with scales with its best multiple" if any(item.arm.has_scales for item in group.arms) else ""
    caption = (
        f"Mean validation {facts.measure} (%) by learning rate{best}; bold: chosen. An arm without scales also tried further "
        "rates between these"
        if group.trials > len(group.rates)
        else f"Mean validation {facts.measure} (%) by learning rate{best}; bold: chosen"
    )
    rows = tuple(
        Group(tuple((_head(item), *_scores(item, group.rates)) for item in arms), title=target)
        for target, arms in group.targets.items()
    )
    return Table(f"Validation scores by rate, {group.condition.label}", plain(caption), columns, rows, "compact")


def _scores(item: Sensitivity, rates: Sequence[float]) -> list[Entry]:
    entries = []
    for rate in rates:
        trial = item.best.get(rate)
        score = numeric(trial.score if trial is not None else None, 2)
        entries.append(Entry(score.text, score.value, strong=trial is not None and trial is item.arm.chosen))
    return entries


def _trials(group: tuning.Group) -> Table:
    names = ("learning rate", "multiple of scales", "validation, %")
    columns = (Column(plain("arm"), head=True), *(Column(plain(name), number=True) for name in names), Column(plain("state")))
    rows = tuple(
        Group(tuple(_trial(item, trial) for item in arms for trial in item.arm.trials), title=target)
        for target, arms in group.targets.items()
    )
    return Table(f"All trials, {group.condition.label}", plain(group.condition.label), columns, rows)


def _trial(item: Sensitivity, trial: Trial) -> tuple[Entry, ...]:
    chosen = trial is item.arm.chosen
    state = "chosen" if chosen else trial.state
    reason: Text = plain(f": {trial.reason}") if trial.reason else ()
    score = numeric(trial.score, 2)
    return (
        _head(item), _value(trial, LEARNING_RATE), _value(trial, MULTIPLE), Entry(score.text, score.value, strong=chosen),
        Entry((*plain(state), *reason), state, strong=chosen),
    )  # fmt: skip
