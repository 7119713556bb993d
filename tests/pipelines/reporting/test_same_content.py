"""Every form of a report has every block of it: no sentence is on the page alone."""

import html
import json
import re
from collections.abc import Iterator, Sequence

import pytest

from m2pt.analysis.content import (
    Block,
    Code,
    Definitions,
    Details,
    Gallery,
    Heading,
    Items,
    Page,
    Paragraph,
    SideBySide,
    Table,
    string,
)
from m2pt.analysis.sections import pages
from m2pt.analysis.sections.facts import gather
from pipelines.reporting import as_html, as_json, as_markdown
from tests.analysis import synthetic


def _texts(blocks: Sequence[Block]) -> Iterator[str]:
    """The words of each block, as no form may leave them out."""
    for block in blocks:
        if isinstance(block, Paragraph | Heading):
            yield string(block.text)
        elif isinstance(block, Items):
            yield from (string(part) for item in block.items for part in (item.text, item.detail))
        elif isinstance(block, Definitions):
            yield from (string(part) for item in block.items for part in item)
        elif isinstance(block, Code):
            yield block.text
        elif isinstance(block, Table):
            yield string(block.caption)
            yield from (string(entry.text) for row in block.rows for entry in row)
        elif isinstance(block, Gallery) and any(figure.name for figure in block.figures):
            yield string(block.caption)
        elif isinstance(block, Details):
            yield string(block.summary)
        if isinstance(block, Details | SideBySide):
            yield from _texts(block.blocks)


def _words(text: str) -> str:
    """The letters and digits alone: a form may add markup, but no words within a sentence."""
    return re.sub(r"[\W_]+", " ", text)


def _html(content: bytes) -> str:
    return html.unescape(re.sub(r"<(style|script).*?</\1>|<svg.*?</svg>|<[^>]+>", "", content.decode(), flags=re.DOTALL))


def _markdown(content: bytes) -> str:
    return html.unescape(re.sub(r"\]\([^)]*\)|</?(?:sub|code|details|summary)>", "", content.decode()).replace("\\", ""))


def _json(content: bytes) -> str:
    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (text for item in value.values() for text in strings(item))
        elif isinstance(value, list):
            yield from (text for item in value for text in strings(item))

    return "\n".join(strings(json.loads(content)))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    planned = synthetic.complete(synthetic.plan(tmp_path_factory.mktemp("same"), targets=("image", "audio"), epochs=2))
    return pages.report(gather(planned.source))


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_every_form_has_every_sentence_and_number(page: Page, form: str) -> None:
    document = {
        "html": lambda: _html(as_html.page(page)),
        "markdown": lambda: _markdown(as_markdown.page(page)),
        "json": lambda: _json(as_json.page(page)),
    }[form]()
    known = _words(document)
    texts = [text for section in page.sections for text in (section.title, *_texts(section.blocks))]
    assert [text for text in texts if _words(text).strip() not in known] == []


def test_caveats_are_in_every_form(page: Page) -> None:
    (findings,) = (section for section in page.sections if section.anchor == "findings")
    caveats = [string(block.text) for block in findings.blocks if isinstance(block, Paragraph) and block.look == "caveat"]
    assert any("trained with labels" in text for text in caveats)
    for document in (_html(as_html.page(page)), _markdown(as_markdown.page(page)), _json(as_json.page(page))):
        assert all(_words(text).strip() in _words(document) for text in caveats)
