"""Tables that list one's own files: CSV or TSV in the common encodings, or Parquet."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from m2pt.config import UserError
from m2pt.config.spelling import suggestion
from m2pt.modalities.shared.listings import read_text

_DELIMITERS = (",", ";", "\t")

_AS_UTF8 = "save it as CSV in UTF-8 (in a spreadsheet: CSV UTF-8; in a shell: iconv -f LATIN1 -t UTF-8)"


class Row(NamedTuple):
    """The number of a row's line in the file (of the row, in Parquet), and its values by column, without spaces around them."""

    number: int
    values: dict[str, str]


def columns_of(table: Path) -> list[str]:
    """The columns of a table, in their order. Raises as `read_rows`."""
    if table.suffix.lower() == ".parquet":
        return list(_parquet(table, lambda parquet: parquet.read_schema(table).names))
    text = read_text(table, _AS_UTF8)
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    return max((_heading(first, delimiter) for delimiter in _DELIMITERS), key=len)


def read_rows(table: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The values of some columns of a table.

    A CSV may be separated by commas, semicolons or tabs: by what makes the wanted columns of its heading.

    Raises:
        UserError: it is missing or damaged, or lacks a column.

    """
    if table.suffix.lower() == ".parquet":
        yield from _of_parquet(table, columns)
        return
    if table.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise UserError(f"{table}: a table is a .csv, .tsv or .parquet file; save it as one of them.")
    yield from _of_text(table, columns)


def _of_text(table: Path, columns: Sequence[str]) -> Iterator[Row]:
    text = read_text(table, _AS_UTF8)
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    headings = {delimiter: _heading(first, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda each: (len(set(columns) & set(headings[each])), len(headings[each])))
    heading = headings[delimiter]
    _require_columns(table, heading, columns)
    places = {column: heading.index(column) for column in columns}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for values in reader:
            if not values or not any(value.strip() for value in values):
                continue
            if [value.strip() for value in values] == heading:
                if reader.line_num > 1 + len(text) - len(text.lstrip("\r\n")):
                    raise UserError(f"{table}, line {reader.line_num}: repeats the heading; remove the line.")
                continue
            if len(values) != len(heading):
                raise UserError(
                    f"{table}, line {reader.line_num}: has {len(values)} values under a heading of {len(heading)}; put quotes "
                    "around a value that holds the separator, or correct the line."
                )
            yield Row(reader.line_num, {column: values[index].strip() for column, index in places.items()})
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: is not a line of a table ({error}); correct it.") from error


def _heading(line: str, delimiter: str) -> list[str]:
    try:
        return [value.strip() for value in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
    except csv.Error:
        return []


def _require_columns(table: Path, heading: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if heading.count(column) != 1:
            fault = f"has no column {column!r}" if column not in heading else f"has the column {column!r} twice"
            known = ", ".join(map(repr, heading[:12])) or "none"
            raise UserError(
                f"{table}: {fault}; its columns are {known}{suggestion(column, list(heading)) or '.'}{separator_hint(heading)}"
            )


def separator_hint(heading: Sequence[str]) -> str:
    """A further sentence for a heading of one column that seems to be several, separated by something else."""
    sign = next((sign for sign in "|:" if len(heading) == 1 and sign in heading[0]), None)
    return "" if sign is None else f" If {sign!r} separates them, save the table with commas, semicolons or tabs."


def _of_parquet(table: Path, columns: Sequence[str]) -> Iterator[Row]:
    _require_columns(table, columns_of(table), columns)
    read = _parquet(table, lambda parquet: parquet.read_table(table, columns=list(columns)).to_pydict())
    for number, values in enumerate(zip(*(read[column] for column in columns), strict=True), 1):
        try:
            yield Row(number, {column: _text(value) for column, value in zip(columns, values, strict=True)})
        except UserError as error:
            raise UserError(f"{table}, row {number}: {error}") from error


def _parquet(table: Path, read: Callable[[Any], Any]) -> Any:
    """What `read` makes of a table with pyarrow's module for Parquet."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UserError(
            f"{table}: pyarrow, which reads Parquet, is missing; run: pip install 'm2pt[files]', or save it as CSV."
        ) from error
    try:
        return read(parquet)
    except (arrow.ArrowException, OSError) as error:
        raise UserError(
            f"{table}: is not a complete Parquet file (truncated, damaged or of another format); restore it."
        ) from error


def _text(value: object) -> str:
    """A value as text; none for what is not a number. Raises `UserError` for what is no single value."""
    if value is None or value != value:
        return ""
    if isinstance(value, bytes | list | dict):
        raise UserError(f"holds {type(value).__name__} where a text or a number is expected; save the column as text.")
    return str(value).strip()
