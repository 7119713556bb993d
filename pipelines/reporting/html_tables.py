"""Tables as HTML, written without a template: a large study has a hundred thousand entries, and each would be several macros."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from m2pt.analysis.content import Column, Entry, Group, Table
from pipelines.reporting import as_csv
from pipelines.reporting.html_spans import escaped, spans

_CLASSES = {"flow": "stack flow", "compact": "stack flow compact", "paper": "matrix paper", "confusion": "matrix confusion"}
_STACKED = ("stack", "flow", "compact")
"""Where a narrow page shows each row by itself: there the parts of a table need their roles in words."""

_SQUARES = ("matrix", "paper")
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/")
_QUOTED = {byte: f"%{byte:02X}" for byte in range(256) if chr(byte) not in _SAFE}
_SIDEWAYS = '<span class="sideways">More to the right: this table scrolls sideways.</span>'
_STAR = '<abbr title="p ≤ 0.05 after the correction over its family">*</abbr>'


class _Place(NamedTuple):
    """An entry with its column and the number of rows that it spans; none where the entry above it spans its row too."""

    entry: Entry
    column: Column
    rows: int = 1


def table(content: Table) -> str:
    """A table that can be sorted, scrolled and downloaded."""
    stacked, name = content.look in _STACKED, escaped(content.label)
    row_group, role = _role("rowgroup", stacked), _role("table", stacked)
    classes = f' class="{names}"' if (names := _classes(content)) else ""
    titles = "".join(_head(column, content.look) for column in content.columns)
    lines = [
        '<div class="table">',
        f'<div class="scroll" role="region" aria-label="Table: {name}" tabindex="0">',
        f"<table{classes}{role}>",
        f"<caption><span>{spans(content.caption)}</span></caption>",
        f"<thead{row_group}>",
        *_common_heads(content.columns),
        f"<tr{_role('row', stacked)}>{titles}</tr>",
        "</thead>",
    ]
    for group in content.groups:
        lines += [f"<tbody{row_group}>", *_rows(group, content, stacked), "</tbody>"]
    lines += _foot(content)
    download = f'<a download="{escaped(as_csv.name(content))}" href="{_data(content)}">'
    lines += [
        "</table>",
        "</div>",
        f'<p class="beneath">{_SIDEWAYS} {download}CSV<span class="hidden"> of {name}</span></a></p>',
        "</div>",
    ]
    return "\n".join(lines)


def _role(name: str, stacked: bool) -> str:
    return f' role="{name}"' if stacked else ""


def _classes(content: Table) -> str:
    names = "" if content.look == "plain" else _CLASSES.get(content.look, content.look)
    grouped = "grouped" if content.look == "plain" and any(group.title for group in content.groups) else ""
    sorts = "" if content.look in (*_SQUARES, "confusion") else "sorts"
    return " ".join(filter(None, (names, grouped, sorts)))


def _common_heads(columns: Sequence[Column]) -> list[str]:
    """The row of heads that neighbouring columns have in common, if any have one."""
    if not any(column.over for column in columns):
        return []
    heads = []
    for name, members in groupby(columns, key=lambda column: column.over):
        count = len(list(members))
        wide = f' colspan="{count}"' if count > 1 else ""
        heads.append(f'<th scope="colgroup" colspan="{count}">{escaped(name)}</th>' if name else f"<td{wide}></td>")
    return [f"<tr>{''.join(heads)}</tr>"]


def _head(column: Column, look: str) -> str:
    title = spans(column.title)
    if not title and not column.under:
        return "<td></td>"
    under = escaped(column.under)
    if under:
        under = f'<span class="under">{under}</span>' if look == "paper" else f"<br>{under}"
    return f'<th scope="col"{_number(column)}>{title}{under}</th>'


def _rows(group: Group, content: Table, stacked: bool) -> list[str]:
    """The rows of a group, after its title."""
    title = f'<tr><th scope="rowgroup" colspan="{len(content.columns)}" class="group">{escaped(group.title)}</th></tr>'
    start = f"<tr{_role('row', stacked)}>"
    rows = ([_placed(place, content.look, stacked) for place in row if place.rows] for row in _places(group, content.columns))
    return [*([title] if group.title else []), *(f"{start}{''.join(row)}</tr>" for row in rows)]


def _places(group: Group, columns: Sequence[Column]) -> list[list[_Place]]:
    """The rows of a group; in columns that are merged, equal neighbours below each other are one entry over several rows."""
    rows = [[_Place(entry, column) for entry, column in zip(row, columns, strict=True)] for row in group.rows]
    for number in (number for number, column in enumerate(columns) if column.merged):
        for _, members in groupby(rows, key=lambda row: row[number].entry):
            run = list(members)
            run[0][number] = _Place(run[0][number].entry, columns[number], len(run))
            for row in run[1:]:
                row[number] = _Place(row[number].entry, columns[number], 0)
    return rows


def _placed(place: _Place, look: str, stacked: bool) -> str:
    if place.column.head:
        return _row_head(place, stacked)
    return _square(place.entry) if look in _SQUARES else _cell(place, look, stacked)


def _row_head(place: _Place, stacked: bool) -> str:
    entry, column = place.entry, place.column
    scope = f'"rowgroup" rowspan="{place.rows}"' if place.rows > 1 else '"row"'
    label = f'<span class="label">{escaped(column.label)} </span>' if stacked and column.label else ""
    key = f'<span class="key" style="--key: {escaped(entry.key)}" aria-hidden="true"></span> ' if entry.key else ""
    head = f"<th scope={scope}{_role('rowheader', stacked)}{_measured(entry)}{_number(column)}>"
    return f"{head}{label}{key}{_linked(entry)}{_under(entry)}</th>"


def _square(entry: Entry) -> str:
    """A cell of a matrix: its number and, below each other, what belongs to it."""
    classes = ["gain"]
    if entry.empty:
        classes.append("none")
    if entry.shade is not None:
        classes.append("positive" if isinstance(entry.value, int | float) and entry.value > 0 else "negative")
    classes += [name for name in ("control", "strong") if getattr(entry, name)]
    spoken = f'<span class="hidden">{escaped(entry.spoken)}</span>' if entry.spoken and not entry.address else ""
    lines = "".join(f"\n<span>{spans(line)}</span>" for line in entry.lines)
    value = f'<span class="value">{_linked(entry)}{_star(entry)}</span>'
    return f'<td class="{" ".join(classes)}"{_shade(entry)}>\n{value}{spoken}{lines}{_under(entry)}</td>'


def _cell(place: _Place, look: str, stacked: bool) -> str:
    entry, column = place.entry, place.column
    outlined = ' class="right"' if entry.outlined and not column.number else ""
    label = ""
    if stacked and entry.text and (look != "stack" or column.label):
        label = f'<span class="label">{escaped(column.label) or spans(column.title)} </span>'
    linked = f'<span class="value strong">{_linked(entry)}</span>' if entry.strong else _linked(entry)
    lines = "".join([f" {spans(line)}" for line in entry.lines]) if entry.lines else ""
    start = f"<td{_role('cell', stacked)}{_measured(entry)}{_number(column)}{outlined}{_shade(entry)}>"
    return f"{start}{label}{linked}{lines}{_star(entry)}{_under(entry)}</td>"


def _linked(entry: Entry) -> str:
    words = spans(entry.text)
    if not entry.address:
        return words
    spoken = f'<span class="hidden">{escaped(entry.spoken)}</span>' if entry.spoken else ""
    return f'<a href="{escaped(entry.address)}">{spoken}{words}</a>'


def _foot(content: Table) -> list[str]:
    if not content.foot:
        return []
    first, *others = content.foot
    cells = (f"<td{_number(column)}>{spans(entry.text)}</td>" for entry, column in zip(others, content.columns[1:], strict=True))
    return [f'<tfoot><tr><th scope="row">{spans(first.text)}</th>{"".join(cells)}</tr></tfoot>']


def _under(entry: Entry) -> str:
    return "".join([f' <span class="under">{spans(line)}</span>' for line in entry.under]) if entry.under else ""


def _star(entry: Entry) -> str:
    return _STAR if entry.holds else ""


def _number(column: Column) -> str:
    return ' class="number"' if column.number else ""


def _measured(entry: Entry) -> str:
    return f' data-value="{entry.value}"' if isinstance(entry.value, int | float) else ""


def _shade(entry: Entry) -> str:
    return "" if entry.shade is None else f' style="--shade: {entry.shade}"'


def _data(content: Table) -> str:
    """A table as the address of its own content, so that a page that was sent alone has it too."""
    return "data:text/csv;charset=utf-8," + as_csv.table(content).encode().decode("latin-1").translate(_QUOTED)
