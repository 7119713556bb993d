"""The card of an exported model: what it is, how good it is and how sure that is, what it was made from."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import m2pt
from m2pt.analysis.numbers.cells import MEASURES
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.phrases import seeds_of
from m2pt.export.evidence import Evidence, Gain
from m2pt.export.written import Written
from m2pt.inference.trained import LABELLED
from m2pt.methods import METHODS
from m2pt.modalities.registry import SPECS
from m2pt.runs.attempts import read_attempts
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.spec import RunSpec, WeightsRef

FILL_IN = "_to be filled in by whoever passes this model on_"
_NAMED_CLASSES = 20
_HEAD = """---
library_name: m2pt
tags: [m2pt]
# license: to be filled in, see Licences
---"""
_LIMITS = (
    "Each interval is of its row alone and corrected for no other; what the study claims, with its error rate, is in its report. "
    "A gain over no auxiliary says nothing about another modality unless random weights gain less."
)


@dataclass(frozen=True)
class Exported:
    """A run, the format that it was written in, and what its study knows of it (or why nothing is known)."""

    run_dir: Path
    spec: RunSpec
    record: FinetuneRecord
    format: str
    written: Written
    evidence: Evidence | str


def card(model: Exported) -> str:
    """The card as Markdown, with the head that model hubs read."""
    spec = model.spec
    what = f"{spec.task.dataset} ({spec.target})" if spec.task else f"the small data set of the modality {spec.modality}"
    first = f"A model for {spec.goal.replace('_', ' ')} of {what}, trained by m2pt. {_method(spec)}"
    parts = {
        "Use": f"```python\n{model.written.usage}\n```\n\n{model.written.takes} {_prepared(spec)} {_outputs(model)}",
        "Evidence": "\n\n".join((*_scores(model.record), *_compared(model))),
        "Data": _data(model),
        "Weights that it started from": _weights(spec),
        "Licences": _licences(spec),
        "Versions": _versions(model),
    }
    sections = [f"## {title}\n\n{text}" for title, text in parts.items()]
    return "\n\n".join((_HEAD, f"# {model.record.run_id}", first, *sections)) + "\n"


def _method(spec: RunSpec) -> str:
    auxiliary = f" with the auxiliary {spec.auxiliary}" if spec.auxiliary else ""
    start = "a pretrained target" if spec.setting == "pretrained" else "a target from scratch"
    tuned = "everything tuned" if spec.tuning == "full" else "only scales and head tuned"
    return f"Method `{spec.method}`{auxiliary} ({METHODS[spec.method].description}); {start}, {tuned}, seed {spec.seed}."


def _prepared(spec: RunSpec) -> str:
    how = "How they are made from files is in `spec.input` of `m2pt.json`"
    return f"{how}; `m2pt predict` does that." if spec.goal in LABELLED else f"{how}."


def _outputs(model: Exported) -> str:
    classes = model.record.classes
    more = f" and {len(classes) - _NAMED_CLASSES} more, in `m2pt.json`" if len(classes) > _NAMED_CLASSES else ""
    outputs = (
        "objects (score, class, box and mask, the best first)" if model.spec.goal == "instance_segmentation" else "the logits"
    )
    names = f"Outputs are {outputs} of {len(classes)} classes, in this order: {', '.join(classes[:_NAMED_CLASSES])}{more}."
    if model.written.difference is None:
        return f"{names} The weights have the bytes of the run's own."
    return (
        f"{names} When it was written it was loaded back, and its logits differed from the run's own by at most "
        f"{model.written.difference:.2g}. The scores below are those of the run itself."
    )


def _scores(record: FinetuneRecord) -> list[str]:
    measure = MEASURES[record.metric]
    val = "no validation score"
    if record.val_score is not None:
        val = f"validation {measure} {rounded(record.val_score, 2)} % ({record.val_samples} samples)"
    test = f"test {measure} {rounded(record.test_score, 2)} % ({record.test_samples} samples, read once, at the end)"
    lines = [f"This run: {test}; {val}; weights of epoch {record.epoch}."]
    if record.merge is not None:
        merge = record.merge
        sizes = f"{merge.parameters:,} parameters, of a plain model {merge.plain_parameters:,}"
        lines.append(f"The method was merged: outputs moved by at most {merge.max_logit_difference:.2g}; {sizes}.")
    return lines


def _compared(model: Exported) -> list[str]:
    evidence = model.evidence
    if isinstance(evidence, str):
        return [evidence]
    cell, mean = evidence.cell, evidence.cell.mean_test
    width = "" if mean.half_width is None else f" ± {rounded(mean.half_width, 2)}"
    score = "no complete run" if mean.mean is None else f"{rounded(mean.mean, 2)}{width} % ({seeds_of(mean)})"
    lines = [f"Its cell in the study `{evidence.study}`, `{cell.name}`: mean test {cell.measure} {score}."]
    if cell.lineage:
        lines.append(f"Lineage of target and auxiliary: {cell.lineage}.")
    rows = [_row(item) for item in (*evidence.gains, *evidence.controls)]
    if not rows:
        return [*lines, "The study compares it with nothing: others are compared with it."]
    head = ("| what | compared with | gain in points (95 % interval) | over |", "|---|---|---|---|")
    return [*lines, "\n".join((*head, *rows)), _LIMITS]


def _row(item: Gain) -> str:
    notes = "".join(f"; {note}" for note in item.notes)
    return f"| {item.what} | {item.over} | {difference(item.estimate)} | {seeds_of(item.estimate)}{notes} |"


def _data(model: Exported) -> str:
    record = model.record
    counts = "; ".join(f"{name}: {split.kept} of {split.listed}" for name, split in record.samples.items())
    drawn = "" if record.train_samples is None else f"; trained with {record.train_samples} of them"
    return "\n".join(
        (
            f"- Fingerprint of the data set's content: `{model.spec.data_sha256}`",
            f"- Samples: {counts or 'not recorded'}{drawn}",
            f"- Fingerprint of the samples used: `{record.samples_sha256}`",
        )
    )


def _weights(spec: RunSpec) -> str:
    refs = [("target", spec.target_weights), *(("auxiliary", ref) for ref in spec.auxiliary_refs)]
    lines = [f"- {role}: {_named(ref)}, `{ref.sha256}`" for role, ref in refs if ref is not None]
    return "\n".join(lines) or "None: it was trained from scratch, with no auxiliary or a random one."


def _named(ref: WeightsRef) -> str:
    seed = "" if ref.seed is None else f", pretraining seed {ref.seed}"
    return f"`{ref.source}` of the modality {ref.modality}{seed}"


def _licences(spec: RunSpec) -> str:
    data = FILL_IN if spec.task else f"{SPECS[spec.modality].rights}, if they are the embedded data; else {FILL_IN}"
    rows = {"this model": FILL_IN, "the weights that it started from": FILL_IN, "the data": data}
    return "\n".join(("| of | licence |", "|---|---|", *(f"| {of} | {licence} |" for of, licence in rows.items())))


def _versions(model: Exported) -> str:
    attempts = read_attempts(model.run_dir)
    trained = "not recorded"
    if attempts:
        last = attempts[-1]
        versions = ", ".join(f"{name} {number}" for name, number in sorted(last.versions.items()))
        code = f"commit {last.git_commit or 'unknown'}, source `{last.code_sha256}`"
        trained = f"{versions}; {code}; on {last.device_name or last.device}"
    here = ", ".join(f"{name} {version(name)}" for name in model.written.packages)
    return f"- Trained with: {trained}\n- Written as `{model.format}` with: m2pt {m2pt.__version__}, {here}"
