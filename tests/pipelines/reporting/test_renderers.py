"""The three forms of a report's content: the same words and numbers in each."""

import json
import re
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
    Group,
    Heading,
    Item,
    Items,
    Page,
    Paragraph,
    ScaleBar,
    Section,
    Table,
    plain,
    prose,
)
from m2pt.analysis.numbers.statistics import estimate
from pipelines.reporting import as_html, as_json, as_markdown

GAIN = estimate([1.0, 2.0, 3.0], planned=4)
TABLE = Table(
    "Gains",
    prose("Gains of `pathway`"),
    (Column(plain("target"), head=True), Column(plain("audio"), over="auxiliary"), Column(plain("point"), over="auxiliary")),
    (Group(((Entry(plain("image"), "image"), Entry(
        plain("+2.00"), GAIN.mean, GAIN, (plain("± 2.48"), plain("n=3 of 4")), strong=True, holds=True, shade=0.3,
        address="cells/a.html", spoken="image from audio: ",
    ), Entry(plain("a | <b>"), None, empty=True)),), "Further"),),
    "matrix",
)  # fmt: skip
BLOCKS: tuple[Block, ...] = (
    Paragraph(prose(r"See [gains](#gains), *this* **\*** and |λ~0~| in 95 % of `a|b`."), "caveat"),
    Heading(plain("Part")),
    Items((Item(prose("`pathway` wins."), plain("By 2 points.")),), "findings"),
    Definitions(((plain("Interval"), plain("Where the mean is.")),)),
    Code("a: 1", "json"),
    TABLE,
    Gallery(
        (Figure("in words", "image", "gains-image", svg="<svg></svg>"), Figure("on the page", svg="<svg></svg>")), plain("All")
    ),
    ScaleBar(2.0),
    Details(plain("More"), (Paragraph(plain("folded")),)),
)


def _page(*blocks: Block) -> Page:
    return Page("study", "study", plain("lead"), (Section("All the gains", "gains", blocks),), kicker="k")


def test_light_markup_is_read_and_plain_text_is_not() -> None:
    spans = prose(r"a `b` **c\*** *d* [e](f.html) ~g~ 2 * 3")
    assert [(span.text, span.kind) for span in spans if span.text.strip()] == [
        ("a ", "plain"), ("b", "code"), ("c*", "strong"), ("d", "emphasis"), ("e", "link"), ("g", "sub"), (" 2 * 3", "plain"),
    ]  # fmt: skip
    assert spans[7].address == "f.html"
    (span,) = plain("`a` *b* [c](d)")
    assert (span.text, span.kind) == ("`a` *b* [c](d)", "plain")


def test_markdown_has_every_word_and_breaks_no_table() -> None:
    text = as_markdown.page(_page(*BLOCKS)).decode()
    assert "See [gains](#all-the-gains), *this* **\\*** and \\|λ<sub>0</sub>\\| in 95 % of `a|b`." in text
    assert "1. **`pathway` wins.** By 2 points." in text
    assert "- **Interval**: Where the mean is." in text
    assert "| image | **+2.00**\\* ± 2.48, n=3 of 4 | a \\| &lt;b> |" in text
    assert "| *Further* |  |  |" in text
    assert "![in words](figures/gains-image.png)" in text and "on the page" not in text
    assert "<details><summary>More</summary>\n\nfolded\n\n</details>" in text


def test_html_escapes_text_and_marks_what_a_number_is() -> None:
    text = as_html.page(_page(*BLOCKS)).decode()
    assert '<p class="caveat">See <a href="#gains">gains</a>, <em>this</em> <strong>*</strong>' in text
    assert "95\N{NO-BREAK SPACE}%" in text and "a | &lt;b&gt;" in text
    assert 'class="gain positive strong" style="--shade: 0.3"' in text
    assert '<a href="cells/a.html"><span class="hidden">image from audio: </span>+2.00</a><abbr' in text
    assert '<td></td><th scope="colgroup" colspan="2">auxiliary</th>' in text
    assert "#hidden" not in text and "<figcaption>image</figcaption><svg></svg>" in text


def test_json_has_unrounded_numbers_with_their_intervals() -> None:
    document = json.loads(as_json.page(_page(*BLOCKS)))
    (section,) = document["sections"]
    blocks: dict[str, Any] = {block["kind"]: block for block in section["blocks"]}
    assert (section["anchor"], len(section["blocks"]), len(blocks)) == ("gains", len(BLOCKS), len(BLOCKS))
    (row,) = blocks["table"]["groups"][0]["rows"]
    assert row[0] == {"text": "image", "value": "image"}
    assert row[1]["value"] == 2.0 and row[1]["holds"] and row[1]["link"] == "cells/a.html"
    assert (row[1]["n"], row[1]["missing"], row[1]["low"], row[1]["high"]) == (3, 1, GAIN.low, GAIN.high)
    assert blocks["table"]["columns"] == ["target", "audio", "point"]
    assert [figure["name"] for figure in blocks["gallery"]["figures"]] == ["gains-image", None]
    assert blocks["details"]["blocks"] == [{"kind": "paragraph", "text": "folded"}]


def test_rows_that_say_the_same_are_merged_on_a_page_alone() -> None:
    columns = (Column(plain("target"), head=True, merged=True), Column(plain("class"), head=True))
    names = (("image", "0"), ("image", "1"), ("audio", "0"))
    table = Table("t", plain("t"), columns, (Group(tuple(tuple(Entry(plain(n), n) for n in row) for row in names)),))
    page = re.sub('href="data:[^"]*"', "", as_html.blocks([table]))
    assert page.count("image") == 1 and 'rowspan="2"' in page
    assert as_markdown.blocks([table]).count("| image |") == 2
