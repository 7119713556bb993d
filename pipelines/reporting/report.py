"""The report of a study: from the folders of its runs to pages, tables and figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.analysis.content import Page
from m2pt.analysis.sections import leaves, ledger, pages
from m2pt.analysis.sections.encoders import reconstruction_name
from m2pt.analysis.sections.facts import Facts, Source, gather
from m2pt.analysis.sections.places import CELLS, COST_SCRIPT, COSTS, LOCAL, TIMINGS
from m2pt.analysis.tables import plots, search, tuning
from m2pt.analysis.tables.metrics import gains, metrics
from m2pt.files import documents
from pipelines.reporting import as_html, as_json, as_latex, as_markdown, cell_pages, studies

_FOLDERS = {
    "figures": ("*.png", "*.svg"),
    "plots": ("*.csv",),
    CELLS: ("*.html", "*.css", "*.js"),
    as_latex.FOLDER: ("*.tex",),
    f"{LOCAL}/{as_latex.FOLDER}": ("*.tex",),
    LOCAL: ("*.js",),
}

_WHOLE = ["seed", "replicate", "epoch", "parameters", "trainable_parameters", "attempts", "threads", "peak_memory_bytes"]
_WHOLE += [f"{split}_{kind}" for split in ("train", "val", "test") for kind in ("samples", "absent", "unreadable")]


def render(source: Source, out: Path) -> Path:
    """Write the report of a study, whatever of it is there, and return the path of its page.

    Every file is written complete or not at all, and `index.html` last. All that differs between identical executions is in the
    folder `local`; every other file is the same for the same results.

    Args:
        source: the plan of the study and where its runs are.
        out: the report's folder.

    Raises:
        UserError: a record cannot be read, or a file cannot be written; it is named.

    """
    facts = gather(source)
    files = _numbers(facts) | _pictures(facts) | dict(cell_pages.pages(facts))
    costs, report = pages.costs(facts), pages.report(facts)
    files |= _page(costs, COSTS.removesuffix(".html")) | _page(report, "report") | _cost_script(facts)
    for page, place in ((report, ""), (costs, f"{LOCAL}/")):
        files |= {f"{place}{as_latex.FOLDER}/{name}": content for name, content in as_latex.tables(page).items()}
    shown = leaves.pages(report, facts.study.study)
    files |= {COSTS: as_html.page(costs)} | {name: as_html.page(page) for name, page in shown.items()}
    for name, content in files.items():
        documents.write_atomic(out / name, content, durable=not name.startswith((CELLS, LOCAL)))
    _remove_others(out, files)
    return out / "index.html"


def _page(page: Page, name: str) -> dict[str, bytes]:
    """A page as one document, for readers of text and for programs."""
    return {f"{name}.md": as_markdown.page(page), f"{name}.json": as_json.page(page)}


def _numbers(facts: Facts) -> dict[str, bytes]:
    """The tables for programs."""
    analysis = facts.analysis
    files = {
        "results.csv": _csv(_integers(analysis.table)),
        TIMINGS: _csv(_integers(analysis.timings)),
        "metrics.json": _json(metrics(analysis.table, facts.ordered, facts.claims)),
        "gains.json": _json(gains(analysis.summaries)),
    }
    plotted = plots.frames(analysis.summaries, analysis.cells, analysis.curves, analysis.scales)
    files |= {f"plots/{name}.csv": _csv(frame) for name, frame in plotted.items()}
    if facts.search is not None:
        files["plots/search.csv"] = _csv(search.frame(facts.search))
    if facts.source.arms:
        files["plots/tuning.csv"] = _csv(tuning.frame(facts.source.arms))
    if facts.paper.rows:
        files["published.csv"] = _csv(facts.paper.frame)
    return files


def _cost_script(facts: Facts) -> dict[str, bytes]:
    """What writes the cost of this execution into the first page, and links to the files of this machine."""
    return {COST_SCRIPT: studies.cost_script(ledger.in_short(facts))}


def _pictures(facts: Facts) -> dict[str, bytes]:
    files = {f"figures/{reconstruction_name(spec)}.png": content for spec, content in facts.reconstructions}
    for picture in facts.pictures:
        files |= {f"figures/{picture.name}.png": picture.png, f"figures/{picture.name}.svg": picture.svg}
    return files


def _integers(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers stay whole where a column has gaps."""
    return table.astype({name: "Int64" for name in _WHOLE if name in table})


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n", float_format="%.10g")).encode()


def _remove_others(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove pages, figures and plots of an earlier, different report: a reader would take them for this one's."""
    for folder, patterns in _FOLDERS.items():
        for path in (path for pattern in patterns for path in sorted((out / folder).glob(pattern))):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
    for leaf in leaves.LEAVES:
        if leaf.file not in files:
            (out / leaf.file).unlink(missing_ok=True)
