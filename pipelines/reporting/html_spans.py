"""Sentences as HTML."""

import re

from markupsafe import escape

from m2pt.analysis.content import Span, Text

_TAGS = {"strong": "strong", "emphasis": "em", "code": "code", "sub": "sub"}
_UNBROKEN = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
"""Spaces at which no line may break: before a percent sign, around a plus-minus."""


def spans(text: Text) -> str:
    """A sentence, escaped."""
    return "".join(map(_span, text))


def escaped(value: object) -> str:
    """A value as it may stand in a page."""
    return str(escape(value))


def _span(span: Span) -> str:
    words = escaped(span.text if span.kind == "code" else _UNBROKEN.sub("\N{NO-BREAK SPACE}", span.text))
    if span.kind == "plain":
        return words
    if span.kind == "key":
        look = f'key" style="--key: {escaped(span.title)}' if span.title.startswith("#") else f"key {escaped(span.title)}"
        return f'<span class="{look}"></span>'
    title = f' title="{escaped(span.title)}"' if span.title else ""
    if span.kind == "link":
        return f'<a href="{escaped(span.address)}"{title}>{words}</a>'
    tag = _TAGS[span.kind]
    return f"<{tag}{title}>{words}</{tag}>"
