"""The page of one cell: its scores seed by seed, curves, scales, classes, and its runs."""

import math
from collections.abc import Mapping, Sequence

from m2pt.analysis.content import (
    Block,
    Column,
    Definitions,
    Entry,
    Figure,
    Gallery,
    Group,
    Page,
    Paragraph,
    Section,
    Span,
    Table,
    Text,
    code,
    plain,
    prose,
)
from m2pt.analysis.figures.cells import Line, chart
from m2pt.analysis.numbers.cells import Cell, CellKey, Run
from m2pt.analysis.numbers.comparisons import Against, Compared
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.trajectories import Point, Series
from m2pt.analysis.numbers.unequal import missing
from m2pt.analysis.sections import cell_classes, cell_scales
from m2pt.analysis.sections.encoders import sha256
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import ABOUT_COSTS, ORIGIN
from m2pt.analysis.sections.wording import AGAINST, NONE, capital, numeric, of_difference, of_score, score, word
from m2pt.analysis.tables import gaps
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.phrases import counted
from m2pt.config import refuses_unknown
from m2pt.methods import METHODS


def page(item: Compared, facts: Facts) -> Page:
    """The page of one cell."""
    cell, study, analysis = item.cell, facts.study.study, facts.analysis
    method = METHODS[cell.method]
    lead = (
        f"{capital(cell.condition.label)}. Method `{cell.method}` ({method.kind}): {method.description}. "
        f"{len(cell.complete)} of {counted(len(cell.runs), 'seed')} complete."
    )
    scales = cell_scales.section(analysis.scales.get(cell.key))
    classes = cell_classes.section(item, facts.classes, facts.rates)
    sections = (_scores(item), _curves(item, facts.series), *([scales] if scales else []), classes, _runs(item, facts))
    trail = ((f"Study {study}", "../index.html"), ("all cells", "index.html"))
    return Page(cell.title, f"{cell.title} ({study})", prose(lead), sections, trail=trail)


def _scores(item: Compared) -> Section:
    cell, against = item.cell, list(item.against)
    mean = cell.mean_test
    words = f"{score(mean)} %, mean over {counted(mean.n, 'seed')}" if mean.n else score(mean)
    facts: list[tuple[Text, Text]] = [(plain(f"Test {cell.measure}"), plain(words))]
    for name in against:
        link = Span("Its page", "link", f"{item.against[name].name}.html")
        facts.append((plain(f"Against {AGAINST[name]}"), (*plain(f"{in_words(item, name)}. "), link)))
    blocks: list[Block] = [Definitions(tuple(facts), "facts"), _by_seed(item)]
    if against:
        note = (
            "These intervals are not corrected for the other cells of the study; the tables of the "
            "[report](../index.html#gains) say which differences are shown."
        )
        blocks.append(Paragraph(prose(note), "caption"))
    return Section("Scores", "scores", tuple(blocks))


def _by_seed(item: Compared) -> Table:
    cell, against = item.cell, list(item.against)
    columns = [Column(plain("seed"), head=True), Column(plain("status"))]
    columns += [Column(plain(name), number=True) for name in ("test", "validation", "epoch")]
    columns += [Column(plain(words), number=True) for name in against for words in (AGAINST[name], "difference")]
    rows = tuple(_seed(item, seed, against) for seed in cell.runs)
    means = [of_score(cell.mean_test), of_score(cell.mean_val), Entry(text=())]
    for name in against:
        means += [of_score(item.against[name].mean_test), of_difference(item.difference(name))]
    foot = (Entry(plain("mean ± 95 % t interval")), Entry(text=()), *means)
    measure = cell.measure
    caption = f"{capital(measure)} in percent by seed, and differences of test {measure} in points from the runs of the same seed"
    return Table("Scores by seed", plain(caption), tuple(columns), (Group(rows),), foot=foot)


def _seed(item: Compared, seed: Draw, against: list[Against]) -> tuple[Entry, ...]:
    run = item.cell.runs[seed]
    entries = [word(seed.label), word(str(run.status)), numeric(run.test_score, 2), numeric(run.val_score, 2)]
    entries.append(numeric(run.epoch, 0))
    for name in against:
        gain = item.differences(name).get(seed)
        other = item.against[name].test.get(seed)
        entries += [numeric(other, 2), NONE if gain is None else Entry(plain(signed(gain)), gain)]
    return tuple(entries)


@refuses_unknown
def in_words(item: Compared, against: Against) -> str:
    """What a cell's difference says, no stronger than it is."""
    value = item.difference(against)
    if value is None:
        return "not planned"
    if value.mean is None:
        return "no seed is complete on both sides"
    other = "; the two sides used different samples" if item.unlike(against) else ""
    lost = missing([(item.cell, item.against[against])])
    other += f"; {lost.words}" if lost.differs else ""
    if value.low is None or value.high is None:
        return f"{signed(value.mean)} points; {value.note}{other}"
    side = {1: "it is above 0", -1: "it is below 0", 0: "it includes 0: no difference is shown"}[value.sign]
    return f"{signed(value.mean)} points, 95 % interval {signed(value.low)} to {signed(value.high)}; on its own, {side}{other}"


def _curves(item: Compared, known: Mapping[CellKey, Series]) -> Section:
    """The training loss and the validation score, with those of the references."""
    cell = item.cell
    references = [(against, known.get(item.against[against].key, {})) for against in AGAINST if against in item.against]
    own = known.get(cell.key, {})
    drawn = []
    for metric, title in (("train/loss", "training loss"), (f"val/{cell.metric}", f"validation {cell.measure}, %")):
        lines = [_line(AGAINST[against], against, other.get(metric, ())) for against, other in references]
        lines.append(_line("this cell", "own", own.get(metric, ())))
        ends = [f"{line.label} {line.ys[-1]:.3g}" for line in lines if line.ys]
        words = f"{title} over the epochs, mean over seeds; at the end: {', '.join(ends)}"
        if lines[-1].ys:
            drawn.append(Figure(words, svg=chart(title, lines, words)))
    if not drawn:
        return Section("Training curves", "curves", (Paragraph(plain("No complete run to draw.")),))
    caption: Text = (
        *plain("Mean over the complete seeds: "), Span("", "key", title="own"), *plain(" this cell, with its 95 % t interval"),
        *(span for name in item.against for span in (*plain(", "), Span("", "key", title=name), *plain(f" {AGAINST[name]}"))),
        *plain("."),
    )  # fmt: skip
    return Section("Training curves", "curves", (Gallery(tuple(drawn), caption, "charts"),))


def _line(label: str, look: str, points: Sequence[Point]) -> Line:
    widths = [None if math.isnan(point.half_width) else point.half_width for point in points] if look == "own" else ()
    return Line(label, [point.epoch for point in points], [point.mean for point in points], widths, look)


def _runs(item: Compared, facts: Facts) -> Section:
    cell = item.cell
    columns = (Column(plain("seed"), head=True, label="seed"), *(Column(plain(name)) for name in ("run", "status", "weights")))
    rows = tuple(_run(seed, run, facts) for seed, run in cell.runs.items())
    table = Table("Runs", plain("Runs of this cell"), columns, (Group(rows),), "stack")
    first = next(iter(cell.runs.values()))
    prints = {
        "data": first.data_sha256,
        "target's weights": first.target_weights,
        "auxiliary's weights": first.auxiliary_weights,
    }
    known = tuple((plain(f"SHA-256 of the {name}"), _digests(cell, name, digests or "")) for name, digests in prints.items())
    if cell.lineage is not None:
        known += ((plain("Lineage of target and auxiliary"), plain(LINEAGES[cell.lineage])),)
    where = Paragraph(prose(f"Times and devices of the runs are [kept apart](../{ORIGIN}{ABOUT_COSTS})."), "caption")
    return Section("Runs", "runs", (table, where, Definitions(known, "facts")))


def _run(seed: Draw, run: Run, facts: Facts) -> tuple[Entry, ...]:
    status = str(run.status)
    why = "" if run.is_complete else f": {gaps.why(status, bool(run.run_id), run.error)}"
    record = facts.analysis.records.get(str(run.run_id))
    return (
        word(seed.label),
        Entry(code(run.run_id or "no id yet"), run.run_id),
        Entry(plain(status + why), status),
        sha256(record.merged_sha256 if record else None),
    )


LINEAGES = {
    "same": "the same: they go on from a common encoder",
    "apart": "apart: they were pretrained from different initialisations, or the target was not pretrained",
    "unknown": "unknown: they come from different files, which do not say what they go on from",
    "mixed": "not the same in all runs of the cell",
}
"""The lineages of a cell (`m2pt.analysis.numbers.cells.Cell.lineage`) in words."""


def _digests(cell: Cell, name: str, digests: str) -> Text:
    if not digests:
        random = name == "auxiliary's weights" and cell.auxiliary == "random"
        return plain(f"none: {'random weights' if random else 'not used, or not made yet'}")
    return tuple(span for digest in digests.split() for span in (*code(digest), *plain(" ")))
