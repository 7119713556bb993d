"""The content of a report as Markdown, for terminals and the pages of a forge."""

import re
from collections.abc import Iterator, Sequence

from m2pt.analysis.content import (
    Block,
    Code,
    Definitions,
    Details,
    Entry,
    Gallery,
    Heading,
    Items,
    Page,
    Paragraph,
    Section,
    SideBySide,
    Span,
    Table,
    Text,
    string,
)

_MARKS = {"plain": "", "strong": "**", "emphasis": "*", "code": "`", "sub": "", "link": ""}
_SPECIAL = re.compile(r"[\\`*|]")


def page(content: Page) -> bytes:
    """One page."""
    trail = [" › ".join(f"[{words}]({address})" for words, address in content.trail)] if content.trail else []
    start = [*trail, f"# {_title(content)}", text(content.lead), *([f"**{text(content.notice)}**"] if content.notice else [])]
    parts = [*start, *(part for section in content.sections for part in _section(section))]
    return (_with_anchors("\n\n".join(parts), content.sections) + "\n").encode()


def blocks(content: Sequence[Block]) -> str:
    """Some blocks alone."""
    return "\n\n".join(part for block in content for part in _block(block)) + "\n"


def text(spans: Text) -> str:
    """A sentence."""
    return "".join(map(_span, spans))


def _title(content: Page) -> str:
    return f"Study {content.title}" if content.kicker else content.title


def _section(section: Section) -> list[str]:
    return [f"## {section.title}", *(part for block in section.blocks for part in _block(block))]


def _with_anchors(document: str, sections: Sequence[Section]) -> str:
    """Links to sections as forges name them: after their titles."""
    for section in sections:
        slug = re.sub(r"[^\w\- ]", "", section.title.lower()).replace(" ", "-")
        document = document.replace(f"](#{section.anchor})", f"](#{slug})")
    return document


def _block(block: Block) -> Iterator[str]:
    """The parts of a block, to be separated by empty lines; a scale bar has none."""
    if isinstance(block, Paragraph):
        yield text(block.text)
    elif isinstance(block, Heading):
        yield f"### {text(block.text)}"
    elif isinstance(block, Items):
        yield _items(block)
    elif isinstance(block, Definitions):
        yield "\n".join(f"- **{text(term)}**: {text(words)}" for term, words in block.items)
    elif isinstance(block, Code):
        yield f"```{block.language}\n{block.text}\n```"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Gallery):
        yield from _gallery(block)
    elif isinstance(block, Details):
        yield f"<details><summary>{_html(block.summary)}</summary>"
        yield from (part for inner in block.blocks for part in _block(inner))
        yield "</details>"
    elif isinstance(block, SideBySide):
        yield from (part for inner in block.blocks for part in _block(inner))


def _items(block: Items) -> str:
    if block.look != "findings":
        return "\n".join(f"- {text(item.text)}" for item in block.items)
    claims = enumerate(block.items, start=1)
    return "\n".join(f"{number}. **{text(item.text)}** {text(item.detail)}".rstrip() for number, item in claims)


def _gallery(block: Gallery) -> Iterator[str]:
    """The pictures that have files; what is on a page alone has none."""
    shown = [figure for figure in block.figures if figure.name]
    if shown and block.caption:
        yield text(block.caption)
    for figure in shown:
        yield f"![{_escaped(figure.alternative)}](figures/{figure.name}.png)"


def _table(table: Table) -> Iterator[str]:
    yield f"{text(table.caption)}:"
    columns = [f"{text(column.title)} {column.under}".strip() for column in table.columns]
    rules = ["---:" if column.number else "---" for column in table.columns]
    lines = [_line(map(_in_row, columns)), f"|{'|'.join(rules)}|"]
    for group in table.groups:
        if group.title:
            lines.append(_line([f"*{_in_row(group.title)}*", *[""] * (len(columns) - 1)]))
        lines += [_line(map(entry, row)) for row in group.rows]
    lines += [_line(map(entry, table.foot))] if table.foot else []
    yield "\n".join(lines)


def _line(cells: "Iterator[str] | Sequence[str] | map[str]") -> str:
    return f"| {' | '.join(cells)} |"


def entry(item: Entry) -> str:
    """An entry of a table in one line."""
    words = text(item.text)
    words = (f"**{words}**" if item.strong else words) + (r"\*" if item.holds else "")
    for line in map(text, item.lines):
        words += f" {line}" if line.startswith(("±", "(")) else f", {line}"
    words += f" ({'; '.join(map(text, item.under))})" if item.under else ""
    return _in_row(words if words else "–")


def _in_row(words: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(words.split()))


def _span(span: Span) -> str:
    if span.kind == "link":
        return f"[{_escaped(span.text)}]({span.address})"
    if span.kind == "sub":
        return f"<sub>{_escaped(span.text)}</sub>"
    if span.kind == "code":
        return f"`{span.text}`"
    mark = _MARKS[span.kind]
    return f"{mark}{_escaped(span.text)}{mark}"


def _escaped(words: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", words).replace("<", "&lt;")


def _html(spans: Text) -> str:
    """A summary, which is HTML also within Markdown."""
    return "".join(f"<code>{span.text}</code>" if span.kind == "code" else string((span,)).replace("<", "&lt;") for span in spans)
