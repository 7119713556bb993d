"""The content of a report as plain data: pages of sections of blocks; `pipelines.reporting` writes HTML, Markdown and JSON.

A sentence or a number of a report is written once, in a section (`m2pt.analysis.sections`); a renderer decides how it looks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from m2pt.analysis.numbers.statistics import Estimate

SpanKind = Literal["plain", "strong", "emphasis", "code", "sub", "link", "key"]


@dataclass(frozen=True)
class Span:
    """A piece of a sentence. `address` is where a link leads; `title` is shown when a reader points at the piece.

    A `key` is the mark of a line of a chart, without text: its `title` is the line's colour, or its name in the style sheet.
    """

    text: str
    kind: SpanKind = "plain"
    address: str = ""
    title: str = ""


Text = tuple[Span, ...]

_MARKUP = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>(?:\\.|[^*])+)\*\*|\*(?P<emphasis>[^*]+)\*|~(?P<sub>[^~]+)~"
    r"|\[(?P<link>[^\]]+)\]\((?P<address>[^)]+)\)"
)


def plain(text: object) -> Text:
    """Text as it is: whatever it holds, none of it is markup."""
    return _plain(str(text))


@lru_cache(maxsize=2**14)
def _plain(text: str) -> Text:
    return (Span(text),)  # most words and many numbers of a report stand in it again and again


def prose(text: str) -> Text:
    r"""A sentence with light markup: `code`, **strong**, *emphasis*, ~subscript~ and [link](address); `\*` is a star."""
    spans: list[Span] = []
    end = 0
    for match in _MARKUP.finditer(text):
        spans += _literal(text[end : match.start()])
        kinds: tuple[SpanKind, ...] = ("code", "strong", "emphasis", "sub", "link")
        kind = next(kind for kind in kinds if match[kind])
        spans.append(Span(match[kind].replace("\\*", "*"), kind, match["address"] or ""))
        end = match.end()
    return (*spans, *_literal(text[end:]))


def code(text: str, title: str = "") -> Text:
    """Text in the letters of code."""
    return (Span(text, "code", title=title),)


def codes(names: Sequence[str]) -> str:
    """Names for `prose`, each in the letters of code."""
    return ", ".join(f"`{name}`" for name in names)


def string(text: Text) -> str:
    """The text alone."""
    return "".join(span.text for span in text)


def _literal(text: str) -> list[Span]:
    return [Span(text.replace("\\*", "*"))] if text else []


@dataclass(frozen=True)
class Paragraph:
    """Sentences. `look` says how much weight they have on a page."""

    text: Text
    look: Literal["body", "caption", "caveat", "notice", "question", "answer"] = "body"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: Text


@dataclass(frozen=True)
class Item:
    """A point of a list; `detail` has the numbers behind it."""

    text: Text
    detail: Text = ()


@dataclass(frozen=True)
class Items:
    """A list. The points of `findings` are numbered, each a claim with the numbers behind it."""

    items: tuple[Item, ...]
    look: Literal["body", "small", "findings"] = "body"


@dataclass(frozen=True)
class Definitions:
    """Terms and what they mean, or facts by their names (`facts`)."""

    items: tuple[tuple[Text, Text], ...]
    look: Literal["body", "facts"] = "body"


@dataclass(frozen=True)
class Code:
    """Text in the letters of code, line by line."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table; `over` heads all neighbours that share it.

    `label` is its name where a narrow page shows each row by itself; empty where it is the title. `merged`: rows below each other
    that say the same are one.
    """

    title: Text
    under: str = ""
    number: bool = False
    head: bool = False
    over: str = ""
    label: str = ""
    merged: bool = False


@dataclass(frozen=True)
class Entry:
    """A cell of a table.

    `value` is what a machine reads: a number in the unit that the text shows, unrounded, or a name; `estimate` a mean over seeds
    with its interval. `lines` belong to the text, `under` is below them and smaller. `strong`: in bold; `holds`:
    shown at the error rate of its family. `shade` from 0 to 1 and the sign of `value` give the background. `address` is
    the page that the text leads to, `spoken` what is said before it to those who hear it out of its place.
    """

    text: Text = (Span("–"),)
    value: float | str | None = None
    estimate: Estimate | None = None
    lines: tuple[Text, ...] = ()
    under: tuple[Text, ...] = ()
    strong: bool = False
    holds: bool = False
    shade: float | None = None
    control: bool = False
    empty: bool = False
    address: str = ""
    spoken: str = ""
    key: str = ""
    outlined: bool = False


@dataclass(frozen=True)
class Group:
    """Rows of a table under one title, which may be empty."""

    rows: tuple[tuple[Entry, ...], ...]
    title: str = ""


TableLook = Literal["plain", "matrix", "paper", "stack", "flow", "compact", "confusion", "cells"]


@dataclass(frozen=True)
class Table:
    """A table. `label` names it for screen readers; `foot` is a last row that sums up."""

    label: str
    caption: Text
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    look: TableLook = "plain"
    foot: tuple[Entry, ...] = ()

    @property
    def rows(self) -> tuple[tuple[Entry, ...], ...]:
        """The rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)


@dataclass(frozen=True)
class Figure:
    """A picture. `svg` is an element of an HTML page, `png` is shown where there is none.

    `name` is that of its files in `figures/`, without their endings; empty where a picture is on its page alone.
    """

    alternative: str
    title: str = ""
    name: str = ""
    svg: str = ""
    png: bytes = b""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, with what they show in common."""

    figures: tuple[Figure, ...]
    caption: Text = ()
    look: Literal["gallery", "charts", "small", "wide", "forest", "narrow", "beside"] = "gallery"


@dataclass(frozen=True)
class ScaleBar:
    """What the shades of a matrix mean: the colours from minus to plus `limit`, in points."""

    limit: float


@dataclass(frozen=True)
class Details:
    """Blocks that are folded until a reader opens them; `printed`: paper shows them too."""

    summary: Text
    blocks: "tuple[Block, ...]"
    printed: bool = False


@dataclass(frozen=True)
class SideBySide:
    """Blocks side by side, where a page is wide enough; in an `opening` the pictures stand beside everything else."""

    blocks: "tuple[Block, ...]"
    look: Literal["pair", "opening"] = "pair"


Block = Paragraph | Heading | Items | Definitions | Code | Table | Gallery | ScaleBar | Details | SideBySide


@dataclass(frozen=True)
class Section:
    """A section of a page. `entry` is its name in the table of contents; `anchor` is where links find it."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
    entry: str = ""


@dataclass(frozen=True)
class Page:
    """A page. `document_title` is what a browser shows for it, `trail` the pages above it (words and address).

    `contents`: whether it starts with a list of its sections; `further` are other pages in that list (words and address).
    `is_opened`: the first section stands above that list and the lead.
    `scripts` are files beside the page that add to it what differs between executions; without them it is complete.
    """

    title: str
    document_title: str
    lead: Text
    sections: tuple[Section, ...]
    kicker: str = ""
    notice: Text = ()
    trail: tuple[tuple[str, str], ...] = ()
    contents: bool = False
    is_opened: bool = False
    further: tuple[tuple[str, str], ...] = ()
    scripts: tuple[str, ...] = ()
