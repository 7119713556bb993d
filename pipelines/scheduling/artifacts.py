"""What the page of a flow run shows: how its runs ended, the matrix of gains, and the report."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2pt.config import Study
from m2pt.files.documents import read_json
from pipelines.execution.outcome import Outcome
from pipelines.execution.shown import Shown
from pipelines.reporting.open_blocks import RENDER, open_blocks

_MOST_ROWS = 500
_MOST_CHARACTERS = 400_000
"""Prefect's page becomes slow above half a megabyte."""

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def show_outcome(shown: Shown, declared: Study, outcome: Outcome) -> None:
    """The outcome as artifacts: a sentence, and a table of what is not complete."""
    key = _key(f"{outcome.kind}-{declared.study}")
    told = "; ".join([outcome.sentence(), *outcome.failures()]).rstrip(".")
    shown.keep("markdown", key, f"**{declared.study}**: {told}.", outcome.sentence())
    problems = [{"run": name, "why": why} for name, why in outcome.unfinished.items()]
    if problems:
        shown.keep("table", f"{key}-problems", problems[:_MOST_ROWS], "Runs that are not complete, and why")


def show_report(shown: Shown, study: str, page: Path) -> None:
    """A report as artifacts: its answer with the matrix, its text, and where its page is. `page` is its `index.html`."""
    text = (page.parent / "report.md").read_text(encoding="utf-8")
    shown.keep("markdown", _key(f"answer-{study}"), _answer(page.parent), "What the study says, and the gains")
    without = _IMAGE.sub(lambda image: f"*{image[1]}*", text)
    shown.keep("markdown", _key(f"report-{study}"), _cut(without), "The text of the report")
    where = f"[{page.resolve()}]({page.resolve().as_uri()})"
    shown.keep("markdown", _key(f"report-page-{study}"), where, "Where the report with its figures is")


def _answer(report: Path) -> str:
    """The first words of a report, and the matrix of gains as a picture."""
    blocks = open_blocks(read_json(report / "report.json", RENDER), "short")
    words = [_strong(block) for block in blocks if block["kind"] == "paragraph"]
    captions = [str(block["caption"]) for block in blocks if block["kind"] == "gallery"]
    answers = sorted((report / "figures").glob("answer*.png")) or sorted((report / "figures").glob("matrix*.png"))
    # In the text itself: a page may not show a file of the machine, and below a picture alone Prefect writes out its address.
    pictures = [
        f"![{picture.stem}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})" for picture in answers
    ]
    return "\n\n".join([*words, *pictures, *captions]) + "\n"


def _strong(block: Mapping[str, Any]) -> str:
    return f"**{block['text']}**" if block.get("look") == "answer" else str(block["text"])


def _cut(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    kept = text[:_MOST_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n\n*The report goes on: this page shows its first {len(kept)} characters of {len(text)}.*\n"


def _key(name: str) -> str:
    """A name as Prefect's keys of artifacts are: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
