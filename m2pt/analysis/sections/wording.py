"""Numbers as a report writes them, and entries of its tables made from them."""

from dataclasses import replace
from typing import Literal

from m2pt.analysis.content import Entry, Text, plain
from m2pt.analysis.numbers.comparisons import Against
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.numbers.unequal import ALL_THERE, Missing
from m2pt.analysis.tables.headline import difference, signed
from m2pt.analysis.tables.phrases import upwards
from m2pt.config import refuses_unknown

AGAINST: dict[Against, str] = {"baseline": "no auxiliary", "random": "random weights"}
"""What a cell is compared with, in words."""

Family = Literal[
    "gains over random weights",
    "gains over no auxiliary",
    "averages",
    "methods",
    "methods over themselves",
    "ablations",
    "classes",
    "classes of a cell",
    "rankings",
]
"""The exploratory families of a report (`m2pt.analysis.numbers.families`)."""

Rates = Literal["fixed", "sequential", "none"]
"""Which error rate these families have: that of seeds which were chosen once, the same where seeds may be added but were not
because of what was seen, or none, because seeds were added after results were seen."""

NONE = Entry()
NOT_PLANNED = Entry(empty=True, spoken="not planned")

_HOUR, _KWH = 3600.0, 3.6e6
_MIB, _GIB = 2**20, 2**30


def score(value: Estimate) -> str:
    """A mean score with its interval."""
    if value.mean is None:
        return value.note
    return rounded(value.mean, 1) + (f" ± {rounded(value.half_width, 1)}" if value.half_width is not None else f" ({value.note})")


def p_value(value: float | None) -> str:
    """A p-value to three digits."""
    if value is None:
        return "–"
    return rounded(value, 3) if value >= 0.0005 else "< 0.001"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else rounded(value, digits)


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"


def energy(joules: float | None) -> str:
    """An energy in the unit that suits it."""
    if joules is None:
        return "–"
    if joules < _HOUR:
        return f"{joules:.0f} J"
    return f"{joules / _HOUR:.1f} Wh" if joules < _KWH else f"{joules / _KWH:.2f} kWh"


def memory(size: float | None) -> str:
    """An amount of memory, given in bytes."""
    if size is None:
        return "–"
    return f"{size / _MIB:.0f} MiB" if size < _GIB else f"{size / _GIB:.1f} GiB"


def amount(value: float | None) -> str:
    """A number of parameters."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value < 1e7 else f"{value / 1e6:,.1f} M"


def times(ratio: float | None) -> str:
    """A cost as a multiple of another."""
    return "–" if ratio is None else f"× {ratio:.2f}"


def capital(text: str) -> str:
    """A capital at the start, and the rest as it is."""
    return text[:1].upper() + text[1:]


def of_planned(value: Estimate) -> str:
    """The number of seeds of an estimate, and the number planned where some are missing: `4 of 5`."""
    return f"{value.n} of {value.n + value.dropped}" if value.dropped else str(value.n)


def word(text: object) -> Entry:
    """An entry that is a name or a word."""
    return Entry(plain(text), str(text))


def head(text: Text, key: str = "") -> Entry:
    """The entry that names a row."""
    return Entry(text, key or "".join(span.text for span in text))


def numeric(value: float | None, digits: int = 3) -> Entry:
    """A number rounded to this many digits."""
    return Entry(plain(number(value, digits)), value)


def of_score(value: Estimate | None, unit: str = "") -> Entry:
    """A mean score with its interval."""
    return NONE if value is None else Entry(plain(score(value) + unit), value.mean, value)


def of_difference(value: Estimate | None, *, holds: bool = False) -> Entry:
    """A difference in points with its interval, or why there is none."""
    return NONE if value is None else Entry(plain(difference(value)), value.mean, value, strong=holds, holds=holds)


def of_gain(value: Estimate, *, holds: bool = False, missing: Missing = ALL_THERE) -> Entry:
    """The same, with a dash where there is no result; the runs that one side lacks more than the other are below it."""
    if not value.n:
        return NONE
    return replace(of_difference(value, holds=holds), under=(plain(missing.words),) if missing.differs else ())


@refuses_unknown
def of_family(name: Family, rates: Rates) -> str:
    """What a star means in a table of this exploratory family, as a sentence."""
    if rates == "none":
        return (
            f'Family "{name}": **bold** and **\\*** mark p ≤ 0.05 after the correction. That has no error rate here, because '
            "seeds were added after results were seen."
        )
    unless = ", unless seeds were added because of what was seen" if rates == "sequential" else ""
    return (
        f'Exploratory, family "{name}": of the differences that are shown (**bold** and **\\***), at most 5 % are expected to be '
        f"false{unless}."
    )


def of_p(value: float | None) -> Entry:
    """A p-value."""
    return Entry(plain(p_value(value)), value)


def of_margin(value: float | None) -> Entry:
    """What a difference is shown to be below, rounded up."""
    return NONE if value is None else Entry(plain(upwards(value)), value)


def change(value: Estimate | None, *, holds: bool = False, under: tuple[Text, ...] = ()) -> Entry:
    """A difference in points, followed by its interval; bold and with a star where it is shown."""
    if value is None or not value.n or value.mean is None:
        return Entry(under=under)
    lines = [plain(f"± {rounded(value.half_width, 2)}" if value.half_width is not None else "(no interval)")]
    lines += [plain(f"(n={of_planned(value)})")] if value.dropped else []
    return Entry(plain(signed(value.mean)), value.mean, value, tuple(lines), under, strong=holds, holds=holds)
