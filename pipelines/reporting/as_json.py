"""The content of a report for programs: every section, table and number, with the words that people see."""

import json
import math
from collections.abc import Mapping
from typing import Any

from m2pt.analysis.content import (
    Block,
    Code,
    Column,
    Definitions,
    Details,
    Entry,
    Figure,
    Gallery,
    Heading,
    Items,
    Page,
    Paragraph,
    ScaleBar,
    Section,
    Table,
    string,
)
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
    if isinstance(block, Paragraph):
        return kind | {"text": string(block.text)} | ({"look": block.look} if block.look != "body" else {})
    if isinstance(block, Heading):
        return kind | {"text": string(block.text)}
    if isinstance(block, Items):
        return kind | {"items": [{"text": string(item.text), "detail": string(item.detail)} for item in block.items]}
    if isinstance(block, Definitions):
        return kind | {"items": [{"term": string(term), "text": string(words)} for term, words in block.items]}
    if isinstance(block, Code):
        return kind | {"text": block.text, "language": block.language}
    if isinstance(block, Gallery):
        return kind | {"caption": string(block.caption), "figures": [_figure(figure) for figure in block.figures]}
    if isinstance(block, ScaleBar):
        return kind | {"limit": block.limit}
    inner = [_block(item) for item in block.blocks]
    return kind | ({"summary": string(block.summary)} if isinstance(block, Details) else {}) | {"blocks": inner}


def _figure(figure: Figure) -> dict[str, Any]:
    """A picture in words, with the name of its files (`.png`, `.svg`) below `figures/`; null for one that is on a page alone."""
    return {"title": figure.title, "alternative": figure.alternative, "name": figure.name or None}


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
