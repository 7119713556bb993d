"""The report of a study: from the folders of its runs to one page, tables and figures."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from m2pt import records
from m2pt.analysis import headline, ledger, materials, plots, provenance, published_table, shading, tables, trajectories
from m2pt.analysis.metrics import metrics
from m2pt.analysis.statistics import Estimate
from m2pt.analysis.study import Analysis, analyse
from m2pt.config import CORE_METHODS, LAYERS, Study, UserError
from m2pt.identity import PretrainSpec, RunSpec

_TEMPLATES = Path(__file__).with_name("templates")
_FOLDERS = {"figures": ("*.png", "*.svg"), "plots": ("*.csv",)}


def render(
    study: Study,
    specs: Sequence[RunSpec],
    runs: Path,
    pretrain_specs: Sequence[PretrainSpec],
    encoders: Path,
    out: Path,
    parts: Mapping[str, Sequence[RunSpec]] | None = None,
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

    Raises:
        UserError: a record cannot be read, or a file cannot be written; it is named.

    """
    found = analyse(specs, runs, pretrain_specs, encoders, parts)
    pictures = _pictures(found)
    drawn = [(spec, path.read_bytes()) for spec, path in materials.reconstructions(pretrain_specs, encoders)]
    context = _context(study, specs, runs, pretrain_specs, encoders, found) | {"pictures": pictures, "reconstructions": drawn}
    files: dict[str, bytes] = {
        "results.csv": _csv(_integers(found.table)),
        "timings.csv": _csv(_integers(found.timings)),
        "metrics.json": (json.dumps(metrics(found.table, found.summaries), indent=1, sort_keys=True) + "\n").encode(),
    }
    files |= {f"plots/{name}.csv": _csv(frame) for name, frame in plots.frames(found).items()}
    for picture in pictures:
        files |= {f"figures/{picture.name}.png": picture.png, f"figures/{picture.name}.svg": picture.svg}
    files |= {f"figures/{reconstruction_name(spec)}.png": content for spec, content in drawn}
    files |= {name: _fill(name, context) for name in ("report.md", "index.html")}
    for name, content in files.items():
        records.write_atomic(out / name, content)
    _remove_others(out, files)
    return out / "index.html"


def reconstruction_name(spec: PretrainSpec) -> str:
    """The name of the figure of an encoder's reconstructions, without its ending."""
    return f"reconstructions-{spec.modality}-{spec.source.replace('+', '-')}"


def _pictures(found: Analysis) -> list[Any]:
    from m2pt.analysis.figures import gallery  # matplotlib takes a second that no other command should pay

    return [picture for item in found.summaries for picture in gallery.draw(item, found.curves, found.scales)]


def _context(
    study: Study,
    specs: Sequence[RunSpec],
    runs: Path,
    pretraining: Sequence[PretrainSpec],
    encoders: Path,
    found: Analysis,
) -> dict[str, Any]:
    table = found.table
    return {
        "study": study,
        "settings": json.dumps(study.model_dump(mode="json"), indent=2),
        "found": found,
        "headlines": {item.condition.slug: headline.headline(item) for item in found.summaries},
        "counts": {state: int((table["status"] == state).sum()) for state in ("complete", "failed", "interrupted", "missing")},
        "gaps": materials.gaps(specs, runs),
        "encoder_gaps": materials.gaps(pretraining, encoders),
        "caveats": materials.caveats(study, specs),
        "datasets": materials.datasets(study, [*specs, *pretraining]),
        "encoders": materials.encoders(study, specs, pretraining, encoders),
        "merges": materials.merges(list(found.documents.values())),
        "final_scales": trajectories.final_scales(found.documents, table),
        "environments": provenance.environments(found.timings),
        "totals": provenance.totals(found.timings),
        "costs": ledger.ledger(table, found.timings, found.documents),
        "rows": table.astype(object).where(table.notna(), None).to_dict("records"),
        "layers": LAYERS,
        "measure": "accuracy" if all(spec.metric == "accuracy" for spec in specs) else "score",
        "core": CORE_METHODS,
        "published": _published(study, specs, found),
    }


def _published(study: Study, specs: Sequence[RunSpec], found: Analysis) -> list[published_table.Row]:
    """The paper's scores beside ours; empty for a study without published data sets."""
    epochs = published_table.auxiliary_epochs(study)
    documents = [found.documents.get(str(name), {}) for name in found.table["run_id"]]
    measured = published_table.cells_of(specs, [document.get("test_score") for document in documents], epochs)
    second = [(document.get("test_scores") or {}).get("miou_class") for document in documents]
    return published_table.beside(published_table.with_class_iou(measured, specs, second, epochs))


def _fill(name: str, context: Mapping[str, Any]) -> bytes:
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    page = jinja2.Environment(
        loader=loader,
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {
        "difference": headline.difference,
        "signed": headline.signed,
        "score": _score,
        "cell": _markdown_cell,
        "data_uri": _data_uri,
        "figure_name": reconstruction_name,
        "duration": _duration,
        "number": _number,
        "shade": shading.intensity,
        "measure": tables.MEASURES.get,
    }
    page.globals["limit"] = shading.colour_limit
    try:
        return page.get_template(f"{name}.j2").render(context).encode()
    except jinja2.TemplateNotFound as error:
        raise UserError(f"{_TEMPLATES / str(error)}: is missing; install m2pt again.") from error


def _score(value: Estimate) -> str:
    """A mean score with its interval."""
    if value.mean is None:
        return value.note
    return f"{value.mean:.1f}" + (f" ± {value.half_width:.1f}" if value.half_width is not None else f" ({value.note})")


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _markdown_cell(text: object) -> str:
    """Text that breaks no row of a Markdown table."""
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _integers(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers stay whole where a column has gaps."""
    whole = ["seed", "epoch", "parameters", "trainable_parameters", "attempts", "threads", "peak_memory_bytes"]
    return table.astype({name: "Int64" for name in whole if name in table})


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n", float_format="%.10g")).encode()


def _remove_others(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove figures and plots of an earlier, different report: a reader would take them for this one's."""
    for folder, patterns in _FOLDERS.items():
        for path in (path for pattern in patterns for path in sorted((out / folder).glob(pattern))):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
