"""The report of a study: from the folders of its runs to one page, tables and figures."""

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from m2pt.analysis.numbers import classes, contrasts, pooling, trajectories
from m2pt.analysis.numbers.cells import compared_cells
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.paper import cells as published_table
from m2pt.analysis.paper import comparison as paper
from m2pt.analysis.paper.departures import uses
from m2pt.analysis.study import Analysis, analyse
from m2pt.analysis.tables import (
    as_run,
    environments,
    headline,
    ledger,
    left_out,
    materials,
    plots,
    provenance,
    search,
    shading,
)
from m2pt.analysis.tables import (
    summaries as tables,
)
from m2pt.analysis.tables.metrics import metrics
from m2pt.config import CORE_METHODS, LAYERS, Study, UserError
from m2pt.files import documents
from m2pt.runs.folder import FILE_STATES
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.runs.trials import Trial
from pipelines.reporting import cell_pages

_TEMPLATES = Path(__file__).with_name("templates")
_FOLDERS = {"figures": ("*.png", "*.svg"), "plots": ("*.csv",), cell_pages.FOLDER: ("*.html", "*.css")}

MOST_DRAWN = 8
"""Figures are drawn for conditions in their order, as long as those have at most so many targets together: a figure takes half a
second, and the curves and scales of every cell are on its page anyway."""


def render(
    study: Study,
    specs: Sequence[RunSpec],
    runs: Path,
    pretrain_specs: Sequence[PretrainSpec],
    encoders: Path,
    out: Path,
    parts: Mapping[str, Sequence[RunSpec]] | None = None,
    trials: Sequence[Trial] = (),
) -> Path:
    """Write the report of a study, whatever of it is there, and return the path of its page.

    Every file is written whole or not at all, and `index.html` last. All but `timings.csv`, `index.html` and `report.md` (which
    name devices, versions and commits) is equal between identical executions.

    Args:
        study: the study.
        specs: its planned runs.
        runs: the folder that holds their folders.
        pretrain_specs: its planned pretraining runs.
        encoders: the folder that holds theirs.
        out: the folder of the report.
        parts: the runs of each part of the study, where it has parts.
        trials: the trials of its search so far; their runs are not among `specs`.

    Raises:
        UserError: a record cannot be read, or a file cannot be written; it is named.

    """
    found = analyse(specs, runs, pretrain_specs, encoders, parts)
    ablations = _ablations(study, specs, found)
    pictures = _pictures(found, ablations)
    drawn = [(spec, path.read_bytes()) for spec, path in materials.reconstructions(pretrain_specs, encoders)]
    context = _context(study, specs, runs, pretrain_specs, encoders, found)
    context["settings"] = json.dumps(as_run.settings(study, parts or {"": specs}, pretrain_specs), indent=2)
    said = {item.condition.slug: headline.headline(item, ablations.controls(item.condition)) for item in found.summaries}
    ordered = sorted(found.summaries, key=lambda item: not ablations.is_reference(item.condition.part))
    unfolded = sum(ablations.is_reference(item.condition.part) for item in ordered)
    context |= {"ordered": ordered, "unfolded": unfolded, "recipes": uses(parts or {"": specs})}
    context |= {"ablations": ablations, "headlines": said, "pictures": pictures, "reconstructions": drawn}
    files: dict[str, bytes] = {
        "results.csv": _csv(_integers(found.table)),
        "timings.csv": _csv(_integers(found.timings)),
        "metrics.json": (json.dumps(metrics(found.table, found.summaries), indent=1, sort_keys=True) + "\n").encode(),
    }
    files |= {f"plots/{name}.csv": _csv(frame) for name, frame in plots.frames(found).items()}
    context["search"] = told = search.story(study, trials, found.table)
    files |= {"plots/search.csv": _csv(search.frame(told))} if told is not None else {}
    if context["paper"].rows:
        files["published.csv"] = _csv(context["paper"].frame)
    for picture in pictures:
        files |= {f"figures/{picture.name}.png": picture.png, f"figures/{picture.name}.svg": picture.svg}
    files |= {f"figures/{reconstruction_name(spec)}.png": content for spec, content in drawn}
    page = _environment(html=True)
    files |= cell_pages.pages(study.study, found, context["cells"], page)
    files["report.md"] = _fill(_environment(html=False), "report.md", context)
    files["index.html"] = _fill(page, "index.html", context)
    for name, content in files.items():
        documents.write_atomic(out / name, content, durable=not name.startswith(cell_pages.FOLDER))
    _remove_others(out, files)
    return out / "index.html"


def reconstruction_name(spec: PretrainSpec) -> str:
    """The name of the figure of an encoder's reconstructions, without its ending."""
    return f"reconstructions-{spec.modality}-{spec.source.replace('+', '-')}"


def _pictures(found: Analysis, ablations: contrasts.Ablations) -> list[Any]:
    from m2pt.analysis.figures import contrasts as changes
    from m2pt.analysis.figures import gallery, ranking

    drawn = _drawn(found.summaries)
    of_summaries = [picture for item in drawn for picture in gallery.draw(item, found.curves, found.scales)]
    ranked = [item for item in found.rankings if item.condition in [summary.condition for summary in drawn]]
    return [*of_summaries, *changes.draw(ablations), *ranking.draw(ranked)]


def _drawn(summaries: Sequence[tables.Summary]) -> list[tables.Summary]:
    """The conditions that figures are drawn for: the first, and those after it within `MOST_DRAWN`."""
    counts = itertools.accumulate(len(item.targets) for item in summaries)
    return [item for item, count in zip(summaries, counts, strict=True) if count <= MOST_DRAWN or item is summaries[0]]


def _context(
    study: Study,
    specs: Sequence[RunSpec],
    runs: Path,
    pretraining: Sequence[PretrainSpec],
    encoders: Path,
    found: Analysis,
) -> dict[str, Any]:
    table = found.table
    cells = compared_cells(table)
    drawn = [item.condition for item in _drawn(found.summaries)]
    samples = left_out.split_counts(table, found.documents)
    return {
        "study": study,
        "seeds": len({spec.seed for spec in specs}),
        "scored_weights": as_run.scored_weights(specs),
        "starts": as_run.starts(specs),
        "sources": as_run.sources(specs),
        "found": found,
        "counts": {state: int((table["status"] == state).sum()) for state in FILE_STATES},
        "cells": cells,
        "classes": classes.by_target([item for item in cells if item.cell.condition in drawn], found.documents),
        "drawn": drawn,
        "left_out": [item for item in samples if not item.is_whole],
        "mixtures": left_out.mixtures(table, found.documents),
        "samples": left_out.of_targets(samples),
        "gaps": materials.run_gaps(table),
        "encoder_gaps": materials.encoder_gaps(pretraining, encoders),
        "caveats": [*materials.caveats(study, specs), *environments.mixtures(found.environments)],
        "datasets": materials.datasets(study, [*specs, *pretraining]),
        "encoders": materials.encoders(study, specs, pretraining, encoders),
        "readings": materials.readings(found.documents.values()),
        "merges": materials.merges(list(found.documents.values())),
        "final_scales": trajectories.final_scales(found.documents, table),
        "environments": found.environments,
        "totals": provenance.totals(found.timings),
        "costs": ledger.ledger(table, found.timings, found.documents),
        "layers": LAYERS,
        "measure": "accuracy" if all(spec.metric == "accuracy" for spec in specs) else "score",
        "core": CORE_METHODS,
        "paper": paper.paper(study, specs, found),
        "planes": _planes(found),
    }


def _ablations(study: Study, specs: Sequence[RunSpec], found: Analysis) -> contrasts.Ablations:
    documents = [found.documents.get(str(name), {}) for name in found.table["run_id"]]
    theirs = published_table.published_of(specs, documents, study)
    return contrasts.ablations(study, found.table, theirs)


def _planes(found: Analysis) -> dict[str, Any]:
    """The planes of gain against cost of each condition that has more than the usual methods, by its slug."""
    from m2pt.analysis.figures import costs

    by_condition: dict[tables.Condition, list[Any]] = {}
    for row in found.methods:
        by_condition.setdefault(row.condition, []).append(row)
    rivals = {key: rows for key, rows in by_condition.items() if any(row.kind == "rival" for row in rows)}
    return {condition.slug: costs.planes(rows) for condition, rows in rivals.items()}


def _environment(html: bool) -> jinja2.Environment:
    """Where the templates are, with all that they call."""
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {
        "difference": headline.difference,
        "signed": headline.signed,
        "upwards": headline.upwards,
        "p_value": _p_value,
        "score": _score,
        "cell": _markdown_cell,
        "data_uri": _data_uri,
        "figure_name": reconstruction_name,
        "duration": _duration,
        "number": _number,
        "shade": shading.intensity,
        "measure": tables.MEASURES.get,
        "in_words": cell_pages.in_words,
        "capitalize_first": _capitalize_first,
        "by_condition": _by_condition,
    }
    page.globals |= {"limit": shading.colour_limit, "bootstrap_seeds": pooling.BOOTSTRAP_SEEDS}
    page.globals |= {
        "cell_page": cell_pages.page_of,
        "page_of_role": cell_pages.page_of_role,
        "cells_page": cell_pages.INDEX,
    }
    return page


def _fill(page: jinja2.Environment, name: str, context: Mapping[str, Any]) -> bytes:
    try:
        return page.get_template(f"{name}.j2").render(context).encode()
    except jinja2.TemplateNotFound as error:
        raise UserError(f"{_TEMPLATES / str(error)}: is missing; install m2pt again.") from error


def _score(value: Estimate) -> str:
    """A mean score with its interval."""
    if value.mean is None:
        return value.note
    return f"{value.mean:.1f}" + (f" ± {value.half_width:.1f}" if value.half_width is not None else f" ({value.note})")


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _capitalize_first(text: str) -> str:
    """A capital at the start, and the rest as it is."""
    return text[:1].upper() + text[1:]


def _by_condition(items: Sequence[Any]) -> list[tuple[tables.Condition, list[Any]]]:
    """What has a `condition`, grouped by it, in order."""
    found: dict[tables.Condition, list[Any]] = {}
    for item in items:
        found.setdefault(item.condition, []).append(item)
    return list(found.items())


def _markdown_cell(text: object) -> str:
    """Text that breaks no row of a Markdown table."""
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _integers(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers stay whole where a column has gaps."""
    whole = ["seed", "epoch", "parameters", "trainable_parameters", "attempts", "threads", "peak_memory_bytes"]
    whole += [f"{split}_{kind}" for split in ("train", "val", "test") for kind in ("samples", "absent", "unreadable")]
    return table.astype({name: "Int64" for name in whole if name in table})


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n", float_format="%.10g")).encode()


def _remove_others(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove figures and plots of an earlier, different report: a reader would take them for this one's."""
    for folder, patterns in _FOLDERS.items():
        for path in (path for pattern in patterns for path in sorted((out / folder).glob(pattern))):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
