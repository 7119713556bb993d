"""Sentences as HTML."""

import re
from functools import lru_cache

from markupsafe import escape

from m2pt.analysis.content import Span, Text

_TAGS = {"strong": "strong", "emphasis": "em", "code": "code", "sub": "sub"}
_UNBROKEN = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
"""Spaces at which no line may break: before a percent sign, around a plus-minus."""


def spans(text: Text) -> str:
    """A sentence, escaped."""
    return "".join([_span(span) for span in text])


@lru_cache(maxsize=2**14)
def escaped(text: str) -> str:
    """A text as it may stand in a page."""
    return str(escape(text))


@lru_cache(maxsize=2**14)
def _words(text: str) -> str:
    return str(escape(_UNBROKEN.sub("\N{NO-BREAK SPACE}", text)))


def _span(span: Span) -> str:
    if span.kind == "plain":
        return _words(span.text)
    words = escaped(span.text) if span.kind == "code" else _words(span.text)
    if span.kind == "key":
        look = f'key" style="--key: {escaped(span.title)}' if span.title.startswith("#") else f"key {escaped(span.title)}"
        return f'<span class="{look}"></span>'
    title = f' title="{escaped(span.title)}"' if span.title else ""
    if span.kind == "link":
        return f'<a href="{escaped(span.address)}"{title}>{words}</a>'
    tag = _TAGS[span.kind]
    return f"<{tag}{title}>{words}</{tag}>"
