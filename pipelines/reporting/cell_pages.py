"""One page for each cell of a study, and one that lists them: what ran, its scores seed by seed, curves, scales and classes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd

from m2pt.analysis.figures.cells import Line, chart, depth_colour
from m2pt.analysis.numbers import classes
from m2pt.analysis.numbers.cells import Cell, Compared, cell_name
from m2pt.analysis.numbers.trajectories import ARM
from m2pt.analysis.study import Analysis
from m2pt.analysis.tables import materials
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.summaries import Against, Condition
from m2pt.config import LAYERS, refuses_unknown
from m2pt.methods import METHODS
from m2pt.runs.folder import MERGED

FOLDER = "cells"
"""Where the pages lie, beside the report's own."""

INDEX, STYLE = f"{FOLDER}/index.html", f"{FOLDER}/style.css"

_METHODS = {"pair": "pathway", "random": "random_auxiliary", "own": "own_modality", "baseline": "baseline"}
_SIZES = {"scale": "mean |λ|", "effective_size": "effective size"}

Groups = Mapping[tuple[Any, ...], pd.DataFrame]


@dataclass(frozen=True)
class _Facts:
    """What the pages are made from, looked up by cell or by run."""

    found: Analysis
    curves: Groups
    scales: Groups
    timings: dict[str, dict[str, Any]]


def page_of(condition: Condition, target: str, method: str, auxiliary: str) -> str:
    """The page of a cell, as an address from the report."""
    return f"{FOLDER}/{cell_name(condition, target, method, auxiliary)}.html"


def page_of_role(condition: Condition, target: str, role: str, auxiliary: str) -> str:
    """The same for a cell of the matrices, which know the role of a method."""
    return page_of(condition, target, _METHODS[role], auxiliary)


def pages(name: str, found: Analysis, cells: Sequence[Compared], environment: jinja2.Environment) -> Iterator[tuple[str, bytes]]:
    """The pages of all cells, the list of them and their style sheet, each with its path below the report's folder.

    They tell times and devices, and so differ between identical executions.

    Args:
        name: the name of the study.
        found: what was read and computed of it.
        cells: its cells (`m2pt.analysis.numbers.cells.compared_cells`).
        environment: where the templates are, with the filters of the report.

    """
    facts = _facts(found)
    template = environment.get_template("cell.html.j2")
    for item in cells:
        page = template.render(study=name, **_context(item, facts))
        yield f"{FOLDER}/{item.cell.name}.html", page.encode()
    conditions = list(dict.fromkeys(item.cell.condition for item in cells))
    groups = [(condition, [item for item in cells if item.cell.condition == condition]) for condition in conditions]
    yield INDEX, environment.get_template("cells.html.j2").render(study=name, groups=groups, many=len(groups) > 1).encode()
    yield STYLE, environment.get_template("style.css").render().encode()


def _facts(found: Analysis) -> _Facts:
    timings = found.timings.astype(object).where(found.timings.notna(), None)
    return _Facts(
        found=found,
        curves=_by_arm(found.curves),
        scales=_by_arm(found.scales),
        timings={row["run_id"]: {str(key): value for key, value in row.items()} for row in timings.to_dict("records")},
    )


def _by_arm(means: pd.DataFrame) -> Groups:
    return {tuple(key): rows for key, rows in means.groupby(ARM, sort=False)} if len(means) else {}


def _arm(cell: Cell) -> tuple[str, ...]:
    condition = cell.condition
    return (condition.part, condition.setting, condition.tuning, cell.target, cell.method, cell.auxiliary)


def _context(item: Compared, facts: _Facts) -> dict[str, Any]:
    cell, documents = item.cell, facts.found.documents
    method = METHODS[next(known for known in METHODS if known == cell.method)]
    matrix = classes.confusion(documents.get(row["run_id"], {}) for row in cell.runs.values())
    first = next(iter(cell.runs.values()))
    return {
        "item": item,
        "cell": cell,
        "method": method,
        "rows": [_row(item, seed, facts) for seed in cell.runs],
        "differences": {against: item.difference(against) for against in item.against},
        "curves": _curves(item, facts.curves),
        "scales": [_of_source(source, rows) for source, rows in _by_source(facts.scales.get(_arm(cell)))],
        "confusion": matrix,
        "classes": classes.changes(item, documents),
        "prints": {
            "data": first["data_sha256"],
            "target's weights": first["target_weights"],
            "auxiliary's weights": first["auxiliary_weights"],
        },
    }


def _row(item: Compared, seed: int, facts: _Facts) -> dict[str, Any]:
    """One seed of a cell: its scores beside those of its references, where it ran and what came of it."""
    run = item.cell.runs[seed]
    document = facts.found.documents.get(run["run_id"], {})
    timing = facts.timings.get(run["run_id"], {})
    others = {against: cell.scores().get(seed) for against, cell in item.against.items()}
    return {
        "seed": seed,
        "run": run,
        "why": "" if run["status"] == "complete" else materials.why(run["status"], bool(run["run_id"]), run["error"]),
        "others": others,
        "differences": {against: item.differences(against).get(seed) for against in item.against},
        "weights": (document.get("files") or {}).get(MERGED),
        "timing": timing,
    }


def _curves(item: Compared, curves: Groups) -> list[str]:
    """The training loss and the validation score, beside those of the references."""
    cell = item.cell
    arms = [(against, item.against[against]) for against in ("baseline", "random") if against in item.against]
    looks = {"baseline": "no auxiliary", "random": "random weights"}
    drawn = []
    for metric, title in (("train/loss", "training loss"), (f"val/{cell.metric}", f"validation {cell.measure}, %")):
        lines = [_curve(looks[against], against, metric, curves.get(_arm(other))) for against, other in arms]
        lines.append(_curve("this cell", "own", metric, curves.get(_arm(cell))))
        ends = [f"{line.label} {line.ys[-1]:.3g}" for line in lines if line.ys]
        if lines[-1].ys:
            drawn.append(chart(title, lines, f"{title} over the epochs, mean over seeds; at the end: {', '.join(ends)}"))
    return drawn


def _curve(label: str, look: str, metric: str, rows: pd.DataFrame | None) -> Line:
    if rows is None:
        return Line(label, [], [], look=look)
    mine = rows[rows["metric"] == metric]
    widths = [None if pd.isna(width) else float(width) for width in mine["half_width"]] if look == "own" else ()
    return Line(label, mine["epoch"].tolist(), mine["mean"].tolist(), widths, look)


def _by_source(rows: pd.DataFrame | None) -> list[tuple[str, pd.DataFrame]]:
    """The scales of each auxiliary of a cell; the name is empty where there is but one."""
    if rows is None:
        return []
    groups = [(str(source), mine) for source, mine in rows.groupby("source", sort=False)]
    return groups if len(groups) > 1 else [("", rows)]


def _of_source(source: str, rows: pd.DataFrame) -> dict[str, Any]:
    return {"source": source, "final": _final(rows), "charts": _scales(rows)}


def _scales(rows: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """A chart for each layer type, by what it shows: mean size and effective size, a line per block."""
    depths = sorted({int(depth) for depth in rows["depth"]})
    series: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for epoch, layer, depth, *values in rows[["epoch", "layer", "depth", *_SIZES]].itertuples(index=False, name=None):
        series.setdefault((layer, int(depth)), []).append((epoch, *values))
    found = []
    for position, words in enumerate(_SIZES.values(), start=1):
        charts = []
        for layer in (layer for layer in LAYERS if any(key[0] == layer for key in series)):
            lines = [_depth_line(depth, depths, series.get((layer, depth), []), position) for depth in depths]
            ends = ", ".join(f"block {depth} {line.ys[-1]:.3f}" for depth, line in zip(depths, lines, strict=True) if line.ys)
            charts.append(chart(layer, lines, f"{words} of {layer} over the epochs; at the end: {ends}", from_zero=True))
        if any(charts):
            found.append((words, [drawn for drawn in charts if drawn]))
    return found


def _depth_line(depth: int, depths: Sequence[int], points: Sequence[tuple[Any, ...]], position: int) -> Line:
    known = sorted((point[0], point[position]) for point in points if not pd.isna(point[position]))
    colour = depth_colour(depth, depths)
    return Line(f"block {depth}", [x for x, _ in known], [y for _, y in known], look=colour, end=str(depth))


def _final(rows: pd.DataFrame) -> dict[str, Any]:
    """The mean sizes at the end of training by depth and layer type, and the largest of each kind."""
    last = rows[rows["epoch"] == rows["epoch"].max()]
    sizes = {(int(row["depth"]), str(row["layer"])): row for row in last.to_dict("records")}
    layers = [layer for layer in LAYERS if any(name == layer for _, name in sizes)]
    largest = {kind: float(last[kind].max()) for kind in _SIZES}
    colours = {depth: depth_colour(depth, sorted({d for d, _ in sizes})) for depth, _ in sizes}
    return {"layers": layers, "depths": sorted(colours), "sizes": sizes, "largest": largest, "colours": colours}


@refuses_unknown
def in_words(item: Compared, against: Against) -> str:
    """What a cell's difference says, no stronger than it is."""
    value = item.difference(against)
    if value is None:
        return "not planned"
    if value.mean is None:
        return "no seed is complete on both sides"
    other = "; the two sides are of different samples" if item.unlike(against) else ""
    if value.low is None or value.high is None:
        return f"{signed(value.mean)} points; {value.note}{other}"
    side = {1: "it lies above 0", -1: "it lies below 0", 0: "it holds 0: no difference is shown"}[value.sign]
    return (
        f"{signed(value.mean)} points, 95 % interval {signed(value.low)} to {signed(value.high)}; looked at alone, {side}{other}"
    )
