"""The content of a report as HTML: pages that fetch nothing and are complete without scripts."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from m2pt.analysis.content import Block, Column, Entry, Figure, Group, Page, Span, Table, Text
from m2pt.analysis.tables.headline import signed
from m2pt.config import UserError
from pipelines.reporting import as_csv

TEMPLATES = Path(__file__).with_name("templates")

_TAGS = {"strong": "strong", "emphasis": "em", "code": "code", "sub": "sub"}
_UNBROKEN = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
"""Spaces at which no line may break: before a percent sign, around a plus-minus."""

_CLASSES = {"flow": "stack flow", "compact": "stack flow compact", "paper": "matrix paper", "confusion": "matrix confusion"}


@dataclass(frozen=True)
class Place:
    """An entry with its column and the number of rows that it spans; none where the entry above it spans its row too."""

    entry: Entry
    column: Column
    rows: int = 1


def page(content: Page, stylesheet: str = "", script: str = "") -> bytes:
    """One page; its style and the script of its tables are in itself, or in the files `stylesheet` and `script`."""
    template = _environment().get_template("page.html.j2")
    return template.render(page=content, stylesheet=stylesheet, script=script).encode()


def style() -> bytes:
    """The style sheet by itself."""
    return _environment().get_template("style.css").render().encode()


def script() -> bytes:
    """The script of the tables by itself."""
    return _environment().get_template("tables.js").render().encode()


def blocks(content: Sequence[Block]) -> str:
    """Some blocks alone."""
    macros: Any = _environment().get_template("blocks.html.j2").module
    return str(macros.blocks(content))


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=_Loader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "spans": _spans, "heads": _heads, "places": _places, "classes": _classes, "kind": _kind, "source": _source,
        "signed": signed, "as_data": _data, "filename": as_csv.name,
    }  # fmt: skip
    made.filters |= filters
    made.tests["measured"] = lambda entry: isinstance(entry.value, int | float)
    return made


class _Loader(jinja2.FileSystemLoader):
    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except jinja2.TemplateNotFound as error:
            raise UserError(f"{TEMPLATES / template}: is missing; install m2pt again.") from error


def _spans(text: Text) -> Markup:
    return Markup("").join(map(_span, text))


def _span(span: Span) -> Markup:
    words = escape(_UNBROKEN.sub("\N{NO-BREAK SPACE}", span.text) if span.kind != "code" else span.text)
    if span.kind == "key":
        colour = span.title.startswith("#")
        return Markup('<span class="key" style="--key: {}"></span>' if colour else '<span class="key {}"></span>').format(
            span.title
        )
    title = Markup(' title="{}"').format(span.title) if span.title else ""
    if span.kind == "link":
        return Markup('<a href="{}"{}>{}</a>').format(span.address, title, words)
    if span.kind == "plain":
        return words
    tag = Markup(_TAGS[span.kind])
    return Markup("<{}{}>{}</{}>").format(tag, title, words, tag)


def _heads(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The common heads of neighbouring columns and how many each has; empty where no column has one."""
    spans = [(name, len(list(members))) for name, members in groupby(columns, key=lambda column: column.over)]
    return spans if any(name for name, _ in spans) else []


def _places(group: Group, table: Table) -> list[list[Place]]:
    """The rows of a group; in columns that are merged, equal neighbours below each other are one entry over several rows."""
    rows = [[Place(entry, column) for entry, column in zip(row, table.columns, strict=True)] for row in group.rows]
    for number in (number for number, column in enumerate(table.columns) if column.merged):
        for _, members in groupby(rows, key=lambda row: row[number].entry):
            run = list(members)
            run[0][number] = Place(run[0][number].entry, table.columns[number], len(run))
            for row in run[1:]:
                row[number] = Place(row[number].entry, table.columns[number], 0)
    return rows


def _classes(table: Table) -> str:
    names = "" if table.look == "plain" else _CLASSES.get(table.look, table.look)
    grouped = "grouped" if table.look == "plain" and any(group.title for group in table.groups) else ""
    sorts = "" if table.look in ("matrix", "paper", "confusion") else "sorts"
    return " ".join(filter(None, (names, grouped, sorts)))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _data(table: Table) -> str:
    """A table as the address of its own content, so that a page that was sent alone has it too."""
    return "data:text/csv;charset=utf-8," + quote(as_csv.table(table))


def _source(figure: Figure) -> str:
    return "data:image/png;base64," + base64.b64encode(figure.png).decode()
