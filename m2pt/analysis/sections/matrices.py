"""The square tables of a report: gains and scores by target and auxiliary."""

from collections.abc import Sequence

from m2pt.analysis.content import Column, Entry, Group, Table, plain
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.comparisons import Against, Comparison, Summary
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections.places import page_of
from m2pt.analysis.sections.wording import NOT_PLANNED, of_planned
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.shading import colour_limit, intensity
from m2pt.config import RANDOM, refuses_unknown


def by_auxiliary(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for the target, and one for each auxiliary below a common head."""
    return Column(plain("target"), head=True), *(Column(plain(name or "none"), over="auxiliary") for name in names)


@refuses_unknown
def gains(summary: Summary, against: Against, auxiliaries: Sequence[str], title: str) -> Table:
    """The gains of one condition over one reference."""
    limit = colour_limit(summary)
    rows = []
    for target in summary.targets:
        entries = (gain(summary.comparison(target, name, against), limit) for name in auxiliaries)
        rows.append((_target(summary, target), *entries))
    return Table(title, plain(f"{title}, points"), by_auxiliary(auxiliaries), (Group(tuple(rows)),), "matrix")


def _target(summary: Summary, target: str) -> Entry:
    """The name of a row; with the metric below it, where the targets have several."""
    measure = summary.measure(target)
    return Entry(plain(target), target, under=(plain(measure),) if measure else ())


def gain(item: Comparison | None, limit: float) -> Entry:
    """One difference, shaded by its size against `limit`, with a link to its cell's page."""
    if item is None:
        return NOT_PLANNED
    value, control, address = item.estimate, item.role != "pair", page_of(item.cell.key)
    spoken = f"{item.target} from {item.column or 'no auxiliary'}: "
    if value.mean is None:
        missing = (plain(f"n=0 of {value.dropped}"),)
        return Entry(plain("no result"), None, value, missing, control=control, empty=True, address=address, spoken=spoken)
    lines = [f"± {rounded(value.half_width, 2)}" if value.half_width is not None else "no interval", f"n={of_planned(value)}"]
    lines += ["different samples"] if item.unlike else []
    lines += [item.missing.words] if item.missing.differs else []
    return Entry(
        text=plain(signed(value.mean)),
        value=value.mean,
        estimate=value,
        lines=tuple(map(plain, lines)),
        strong=item.holds,
        holds=item.holds,
        shade=intensity(value.mean, limit),
        control=control,
        address=address,
        spoken=spoken,
    )


def scores(summary: Summary, measure: str) -> Table:
    """The test scores of one condition, with the validation scores in brackets."""
    names = ["", *summary.auxiliaries, RANDOM]
    rows = []
    for target in summary.targets:
        rows.append((_target(summary, target), *(_score(summary.cell(target, name)) for name in names)))
    caption = f"Test {measure}, %, with 95 % t interval over seeds; validation {measure} in brackets"
    return Table(measure.capitalize(), plain(caption), by_auxiliary(names), (Group(tuple(rows)),), "matrix")


def _score(cell: Cell | None) -> Entry:
    if cell is None:
        return NOT_PLANNED
    value, address = cell.mean_test, page_of(cell.key)
    spoken = f"{cell.target} from {cell.column or 'no auxiliary'}: "
    if value.mean is None:
        missing = (plain(f"n=0 of {len(cell.test)}"),)
        return Entry(plain("no result"), None, value, missing, empty=True, address=address, spoken=spoken)
    validation = cell.mean_val.mean
    lines = (
        f"± {rounded(value.half_width, 1)}" if value.half_width is not None else "no interval",
        f"({rounded(validation, 1)})" if validation is not None else "(–)",
        f"n={of_planned(value)}",
    )
    return Entry(
        text=plain(rounded(value.mean, 1)),
        value=value.mean,
        estimate=value,
        lines=tuple(map(plain, lines)),
        control=cell.role not in ("baseline", "pair"),
        address=address,
        spoken=spoken,
    )
