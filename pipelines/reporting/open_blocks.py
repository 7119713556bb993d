"""Reads what a report says from the JSON that was written of it; it needs nothing that makes reports."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RENDER = "render the report again with `m2pt report`"
"""What to do where a file of a report is damaged."""


def open_blocks(document: Mapping[str, Any], anchor: str) -> list[Mapping[str, Any]]:
    """The blocks of a section of a page in JSON, in their order: with those that stand side by side, without folded ones.

    Empty where the document has no such section.
    """
    sections = [section for section in document["sections"] if section["anchor"] == anchor]
    return [block for section in sections for block in _opened(section["blocks"])]


def _opened(blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for block in blocks:
        if block["kind"] == "sidebyside":
            yield from _opened(block["blocks"])
        elif block["kind"] != "details":
            yield block
