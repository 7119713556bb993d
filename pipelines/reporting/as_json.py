"""The content of a report for programs: every section, table and number, with the words that people see."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from m2pt.analysis.content import Block, Column, Definitions, Entry, Figure, Page, Paragraph, Section, Table, string
from m2pt.analysis.numbers.statistics import Estimate

SCHEMA = 1
"""The version of the form; it changes with the meaning of a key."""


def page(content: Page) -> bytes:
    """One page. Values are unrounded; what is not known is null."""
    document = {
        "schema": SCHEMA,
        "title": content.title,
        "lead": string(content.lead),
        "notice": string(content.notice),
        "sections": [_section(section) for section in content.sections],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _section(section: Section) -> dict[str, Any]:
    return {"anchor": section.anchor, "title": section.title, "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    kind = {"kind": type(block).__name__.lower()}
    if isinstance(block, Table):
        return kind | _table(block)
    if isinstance(block, Definitions):
        return kind | {"items": [{"term": string(term), "text": string(words)} for term, words in block.items]}
    if isinstance(block, Paragraph):
        return kind | {"text": string(block.text)}
    return kind | {field.name: _plain(getattr(block, field.name)) for field in dataclasses.fields(block) if field.name != "look"}


def _plain(value: Any) -> Any:
    """A field of a block: text as a string, blocks and lists one by one, anything else as it is."""
    if isinstance(value, tuple):
        if value and all(type(item).__name__ == "Span" for item in value):
            return string(value)
        return [_plain(item) for item in value]
    if isinstance(value, Figure):
        return {"title": value.title, "alternative": value.alternative, "file": f"figures/{value.name}" if value.name else None}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _block(value)  # type: ignore[arg-type]
    return value


def _table(table: Table) -> dict[str, Any]:
    return {
        "label": table.label,
        "caption": string(table.caption),
        "columns": [_column(column) for column in table.columns],
        "groups": [
            {"title": group.title, "rows": [[_entry(item) for item in row] for row in group.rows]} for group in table.groups
        ],
        "foot": [_entry(item) for item in table.foot],
    }


def _column(column: Column) -> str:
    return f"{string(column.title)} {column.under}".strip()


def _entry(item: Entry) -> dict[str, Any]:
    shown = [string(line) for line in (item.text, *item.lines, *item.under)]
    known: Mapping[str, Any] = {
        "value": _finite(item.value), "link": item.address or None, "holds": item.holds or None,
    }  # fmt: skip
    numbers = _estimate(item.estimate) if item.estimate is not None else {}
    return {"text": " ".join(shown).strip()} | {key: value for key, value in known.items() if value is not None} | numbers


def _estimate(value: Estimate) -> dict[str, Any]:
    known = {"low": value.low, "high": value.high, "p": value.p_value}
    return {"n": value.n, "missing": value.dropped} | {key: number for key, number in known.items() if number is not None}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
