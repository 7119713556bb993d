"""What the page of a flow run shows: how its runs ended, the matrix of gains, and the report."""

import base64
import re
from pathlib import Path

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact, create_table_artifact

from m2pt.config import Study
from pipelines.execution.session import Outcome

_MOST_ROWS = 500
_MOST_CHARACTERS = 400_000
"""Prefect's page becomes slow above half a megabyte."""

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def show_outcome(declared: Study, outcome: Outcome) -> None:
    """The outcome as artifacts: a sentence, and a table of what is not complete."""
    key = _key(f"{outcome.kind}-{declared.study}")
    told = "; ".join([outcome.sentence(), *outcome.failures()]).rstrip(".")
    create_markdown_artifact(f"**{declared.study}**: {told}.", key=key)
    problems = [{"run": name, "why": why} for name, why in (outcome.failed | outcome.waiting).items()]
    if problems:
        create_table_artifact(problems[:_MOST_ROWS], key=f"{key}-problems")


def show_report(study: str, page: Path) -> None:
    """A report as artifacts: the matrix as a picture, the text, and where its page is. `page` is its `index.html`."""
    for picture in sorted((page.parent / "figures").glob("matrix*.png")):
        # Prefect keeps only an address; the picture itself is in it, as a page may not show a file of the machine.
        content = base64.b64encode(picture.read_bytes()).decode()
        create_image_artifact(f"data:image/png;base64,{content}", key=_key(f"{picture.stem}-{study}"), description=picture.stem)
    text = _IMAGE.sub(lambda image: f"*{image[1]}*", (page.parent / "report.md").read_text(encoding="utf-8"))
    create_markdown_artifact(_cut(text), key=_key(f"report-{study}"), description=f"The report of {study}")
    create_link_artifact(
        page.resolve().as_uri(),
        link_text=str(page.resolve()),
        key=_key(f"report-page-{study}"),
        description="The report with all figures, on the machine that made it. A browser may want the address pasted.",
    )


def _cut(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    kept = text[:_MOST_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n\n*The report goes on: this page shows its first {len(kept)} characters of {len(text)}.*\n"


def _key(name: str) -> str:
    """A name as Prefect's keys of artifacts are: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
