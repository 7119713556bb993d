"""One page that lists the studies of a folder: what each says, when it was told, its runs, what it cost, where its report is."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from m2pt.analysis.content import Column, Entry, Group, Page, Paragraph, Section, Span, Table, plain
from m2pt.analysis.sections.places import ABOUT_COSTS, COST_SCRIPT, COSTS, LOCAL, ORIGIN
from m2pt.config import UserError
from m2pt.files import documents
from pipelines.reporting import as_html
from pipelines.reporting.open_blocks import open_blocks

PAGE = Path("build/studies.html")
"""Where the page is, below the folder of the project."""

_DEFAULT = Path("reports")
_LINKS = f"""a[href="{ORIGIN}{ABOUT_COSTS}"]"""
_LEAD = (
    "Every study of this folder that has a report, in the state of that report: the answer is in its words. The page is written "
    "anew with each report."
)


@dataclass(frozen=True)
class Told:
    """What the report in `folder` says of its study."""

    folder: Path
    study: str
    answer: str
    date: str
    complete: int
    planned: int
    cost: str


def cost_script(words: str) -> bytes:
    """The script that writes the cost of this execution into the first page, if it is known, and links to the files beside it."""
    lines = [f"for (const link of document.querySelectorAll('#short {_LINKS}')) link.textContent = {json.dumps(words)};"]
    lines = [
        *(lines if words else []),
        f"for (const link of document.querySelectorAll('{_LINKS}')) link.href = {json.dumps(COSTS)};",
        f"for (const name of document.querySelectorAll('{ABOUT_COSTS} code')) {{",
        f"  if (!name.textContent.startsWith({json.dumps(f'{LOCAL}/')})) continue;",
        "  const link = document.createElement('a');",
        "  link.href = name.textContent;",
        "  name.replaceWith(link);",
        "  link.append(name);",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def refresh(out: Path) -> None:
    """Write the page anew after the report in `out`, which then links to it; nothing for one that is not in its study's folder.

    Raises:
        UserError: the page cannot be written.

    """
    folders = [_DEFAULT, *sorted(PAGE.parent.glob("*/reports"))]
    if out.resolve() not in {folder.resolve() for folder in folders}:
        return
    documents.write_atomic(PAGE, as_html.page(page([told for folder in folders for told in _told(folder)])), durable=False)
    _link(out)


def _link(out: Path) -> None:
    """Have the first page of a report link to the list, by the script beside it: the page itself is the same in every folder."""
    script = out / COST_SCRIPT
    known = script.read_bytes() if script.is_file() else b""
    address = Path(os.path.relpath(PAGE, out)).as_posix()
    link = f'<nav aria-label="Where this is" style="float: right"><a href="{address}">All studies</a></nav>'
    line = f"document.querySelector('header').insertAdjacentHTML('afterbegin', {json.dumps(link)});\n"
    documents.write_atomic(script, known + line.encode(), durable=False)


def page(known: list[Told]) -> Page:
    """The page of some studies."""
    columns = (
        Column(plain("study"), head=True),
        Column(plain("answer")),
        Column(plain("date")),
        Column(plain("runs"), number=True),
        Column(plain("cost")),
    )
    caption = plain("Studies of this folder; runs: complete of planned; dates are in UTC")
    table = Table("Studies", caption, columns, (Group(tuple(map(_row, known))),), "flow")
    where = Paragraph((*plain("A study gets its row when "), Span("m2pt report", "code"), *plain(" has rendered it.")), "caption")
    return Page("Studies", "Studies of this folder", plain(_LEAD), (Section("All studies", "studies", (table, where)),))


def _row(told: Told) -> tuple[Entry, ...]:
    # The default study's report is beside the folder of this page, those of the others are in it.
    address = f"../{told.folder}" if told.folder == _DEFAULT else str(told.folder.relative_to(PAGE.parent))
    return (
        Entry(plain(told.study), told.study, address=f"{address}/index.html"),
        Entry(plain(told.answer), told.answer),
        Entry(plain(told.date), told.date),
        Entry(plain(f"{told.complete} of {told.planned}"), told.complete),
        Entry(plain(told.cost or "not recorded here"), told.cost),
    )


def _told(folder: Path) -> Iterator[Told]:
    """What a report says; nothing where there is none, and that it cannot be read where a file of it is damaged."""
    index = folder / "index.html"
    if not index.is_file():
        return
    date = f"{datetime.fromtimestamp(index.stat().st_mtime, UTC):%Y-%m-%d %H:%M}"
    try:
        report, runs = (documents.read_json(folder / name) for name in ("report.json", "metrics.json"))
        counts = runs["runs"]
        yield Told(folder, report["title"], _answer(report), date, counts["complete"], counts["planned"], _cost(folder))
    except (UserError, KeyError, TypeError):
        name = folder.parent.name or "default"
        yield Told(
            folder, name, "Its report is of another version, or damaged: render it again with `m2pt report`.", date, 0, 0, ""
        )


def _answer(report: Any) -> str:
    """The answer in the first lines of a report; raises `KeyError` where it has none, as one of an older version."""
    answer = " ".join(block["text"] for block in open_blocks(report, "short") if block.get("look") == "answer")
    if not answer:
        raise KeyError("answer")
    return answer


def _cost(folder: Path) -> str:
    script = folder / COST_SCRIPT
    match = re.search(r"textContent = (.+);$", script.read_text(encoding="utf-8"), re.MULTILINE) if script.is_file() else None
    return str(json.loads(match[1])) if match else ""
