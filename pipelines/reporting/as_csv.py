"""The tables of a report as CSV: unrounded numbers in the unit that the page shows, with the intervals behind them."""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from m2pt.analysis.content import Column, Entry, Table, string


def name(table: Table) -> str:
    """The name of a table's file."""
    return re.sub(r"[^a-z0-9]+", "-", table.label.lower()).strip("-") + ".csv"


def table(content: Table) -> str:
    """A table with one line of heads; the title of a group is a column, and an estimate has its ends and number beside it."""
    grouped = any(group.title for group in content.groups)
    rows = [(group.title, row) for group in content.groups for row in group.rows]
    estimated = [any(row[place].estimate is not None for _, row in rows) for place in range(len(content.columns))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*(["group"] if grouped else []), *_heads(content.columns, estimated)])
    for title, row in rows:
        writer.writerow([*([title] if grouped else []), *_cells(row, estimated)])
    return buffer.getvalue()


def _heads(columns: Sequence[Column], estimated: Sequence[bool]) -> Iterator[str]:
    for column, several in zip(columns, estimated, strict=True):
        title = f"{string(column.title)} {column.under}".strip()
        yield title
        if several:
            yield from (f"{title}: {part}" for part in ("low", "high", "n"))


def _cells(row: Sequence[Entry], estimated: Sequence[bool]) -> Iterator[object]:
    for entry, several in zip(row, estimated, strict=True):
        yield string(entry.text) if entry.value is None else entry.value
        if several:
            value = entry.estimate
            yield from ("", "", "") if value is None else (value.low, value.high, value.n)
