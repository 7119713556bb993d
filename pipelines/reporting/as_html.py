"""The content of a report as HTML: pages that fetch nothing and are complete without scripts."""

import base64
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from m2pt.analysis.content import Block, Figure, Page, Table, Text
from m2pt.analysis.tables.headline import signed
from m2pt.config import UserError
from pipelines.reporting import html_spans, html_tables

TEMPLATES = Path(__file__).with_name("templates")


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
        "spans": _spans, "table": _table, "kind": _kind, "source": _source, "signed": signed,
    }  # fmt: skip
    made.filters |= filters
    return made


class _Loader(jinja2.FileSystemLoader):
    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except jinja2.TemplateNotFound as error:
            raise UserError(f"{TEMPLATES / template}: is missing; install m2pt again.") from error


def _spans(text: Text) -> Markup:
    return Markup(html_spans.spans(text))


def _table(content: Table) -> Markup:
    return Markup(html_tables.table(content))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _source(figure: Figure) -> str:
    return "data:image/png;base64," + base64.b64encode(figure.png).decode()
