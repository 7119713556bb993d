"""The square tables of a report: gains and scores by target and auxiliary."""

from collections.abc import Sequence

from m2pt.analysis.content import Column, Entry, Group, Table, plain
from m2pt.analysis.sections.places import page_of, page_of_role
from m2pt.analysis.sections.wording import NOT_PLANNED, of_planned
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.shading import colour_limit, intensity
from m2pt.analysis.tables.summaries import Against, Arm, Comparison, Summary
from m2pt.config import RANDOM


def by_auxiliary(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for the target, and one for each auxiliary below a common head."""
    return Column(plain("target"), head=True), *(Column(plain(name or "none"), over="auxiliary") for name in names)


def gains(summary: Summary, against: Against, auxiliaries: Sequence[str], title: str) -> Table:
    """The gains of one condition over one reference."""
    limit = colour_limit(summary)
    rows = []
    for target in summary.targets:
        items = [summary.cell(target, name, against) for name in auxiliaries]
        pages = [page_of_role(summary.condition, target, item.role, item.auxiliary) if item else "" for item in items]
        entries = (gain(item, limit, page) for item, page in zip(items, pages, strict=True))
        rows.append((Entry(plain(target), target), *entries))
    return Table(title, plain(f"{title}, points"), by_auxiliary(auxiliaries), (Group(tuple(rows)),), "matrix")


def gain(item: Comparison | None, limit: float, address: str) -> Entry:
    """One difference, shaded by its size against `limit`; `address` is its cell's page."""
    if item is None:
        return NOT_PLANNED
    value, control = item.estimate, item.role != "pair"
    spoken = f"{item.target} from {item.auxiliary or 'no auxiliary'}: "
    if value.mean is None:
        missing = (plain(f"n=0 of {value.dropped}"),)
        return Entry(plain("no result"), None, value, missing, control=control, empty=True, address=address, spoken=spoken)
    lines = [f"± {value.half_width:.2f}" if value.half_width is not None else "no interval", f"n={of_planned(value)}"]
    lines += ["different samples"] if item.unlike else []
    return Entry(
        text=plain(signed(value.mean)),
        value=value.mean,
        estimate=value,
        lines=tuple(map(plain, lines)),
        strong=bool(value.sign),
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
        arms = [summary.arm(target, name) for name in names]
        rows.append((Entry(plain(target), target), *(_score(summary, arm) for arm in arms)))
    caption = f"Test {measure}, %, with 95 % t interval over seeds; validation {measure} in brackets"
    return Table(measure.capitalize(), plain(caption), by_auxiliary(names), (Group(tuple(rows)),), "matrix")


def _score(summary: Summary, arm: Arm | None) -> Entry:
    if arm is None:
        return NOT_PLANNED
    value, address = arm.mean_test, page_of(summary.condition, arm.target, arm.method, arm.auxiliary)
    spoken = f"{arm.target} from {arm.auxiliary or 'no auxiliary'}: "
    if value.mean is None:
        missing = (plain(f"n=0 of {len(arm.test)}"),)
        return Entry(plain("no result"), None, value, missing, empty=True, address=address, spoken=spoken)
    validation = arm.mean_val.mean
    lines = (
        f"± {value.half_width:.1f}" if value.half_width is not None else "no interval",
        f"({validation:.1f})" if validation is not None else "(–)",
        f"n={of_planned(value)}",
    )
    return Entry(
        text=plain(f"{value.mean:.1f}"),
        value=value.mean,
        estimate=value,
        lines=tuple(map(plain, lines)),
        control=arm.role in ("random", "own"),
        address=address,
        spoken=spoken,
    )
