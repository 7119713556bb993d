"""What a study is made from, and what of it is not there: data, encoders, and the runs that did not end well."""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import CellKey, Condition
from m2pt.config import RANDOM, FileSource, Study
from m2pt.methods import METHODS
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import RECONSTRUCTIONS, RunState, is_complete, run_state
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, PretrainRecord, read_record
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef

_STATES: dict[str, str] = {
    RunState.FAILED: "no reason was recorded",
    RunState.INTERRUPTED: "stopped before its end; running the study again goes on from its last checkpoint",
    RunState.MISSING: "not run yet",
}
_UNREADY = "not run yet: an encoder that it needs is not made"


def datasets(study: Study, specs: Sequence[Spec]) -> list[dict[str, str]]:
    """The data of each modality or task that the specs use, with the fingerprint of their content."""
    prints: dict[str, str] = {}
    for spec in specs:
        prints[spec.target if isinstance(spec, RunSpec) else spec.modality] = spec.data_sha256
    made = "made here (embedded)" if study.data.embedded else "the user's own"
    return [
        {"modality": name, "folder": f"{study.data.root}/{_folder(study, name)}", "origin": made, "sha256": prints[name]}
        for name in prints
    ]


def _folder(study: Study, name: str) -> str:
    return study.tasks[name].path if name in study.tasks else name


def encoders(study: Study, specs: Sequence[RunSpec], pretraining: Sequence[PretrainSpec], folder: Path) -> list[dict[str, Any]]:
    """The encoders of the study: those trained here with their scores, those from files with their fingerprints."""
    rows = [_trained(study, spec, folder) for spec in pretraining]
    references = {ref for spec in specs for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None}
    for reference in sorted(references, key=lambda ref: (ref.source, ref.modality)):
        source = study.encoders.get(reference.source)
        if isinstance(source, FileSource):
            rows.append(_from_file(source, reference))
    return rows


def _trained(study: Study, spec: PretrainSpec, folder: Path) -> dict[str, Any]:
    identifier = run_id(spec) if spec.ready else ""
    state = run_state(folder / identifier) if identifier else RunState.MISSING
    record = read_record(folder / identifier, PretrainRecord) if state == RunState.COMPLETE else None
    source = study.encoders.get(spec.source)
    return {
        "source": spec.source,
        "modality": spec.modality,
        "kind": source.kind if source else spec.source,
        "seed": spec.seed,
        "run_id": identifier,
        "status": state,
        "metric": record.metric if record else None,
        "val_score": record.val_score if record else None,
        "sha256": record.encoder_sha256 if record else None,
        "steps": spec.pretrain.steps,
    }


def _from_file(source: FileSource, reference: WeightsRef) -> dict[str, Any]:
    path = source.paths.get(reference.modality, "")
    return {
        "source": reference.source,
        "modality": reference.modality,
        "kind": "file",
        "seed": None,
        "metric": None,
        "val_score": None,
        "steps": None,
        "run_id": Path(path).name,
        "status": "file",
        "sha256": reference.sha256,
    }


def readings(records: Iterable[FinetuneRecord]) -> list[str]:
    """How files of encoders were read where that is not plainly: one sentence for each file and way, from the runs' records."""
    told: dict[str, None] = {}
    for record in records:
        for loaded in record.loaded:
            name = f"{loaded.source} ({loaded.modality}, {loaded.layout})"
            if loaded.positions:
                told[f"Positions of {name} were brought {loaded.positions}."] = None
            if loaded.weights == "ema" or loaded.beside:
                kind = "the moving average was" if loaded.weights == "ema" else "the trained weights were"
                beside = f"; others stand under {', '.join(loaded.beside)}" if loaded.beside else ""
                told[f"Of {name} {kind} read{beside}."] = None
            if narrow := [kind for kind in loaded.precisions if kind.startswith("float8")]:
                told[f"Weights of {name} are stored as {', '.join(narrow)}."] = None
    return sorted(told)


def reconstructions(pretraining: Sequence[PretrainSpec], folder: Path) -> list[tuple[PretrainSpec, Path]]:
    """The drawn reconstructions of the encoders that have them."""
    paths = [(spec, folder / run_id(spec) / RECONSTRUCTIONS) for spec in pretraining if spec.ready]
    return [(spec, path) for spec, path in paths if path.is_file() and is_complete(path.parent)]


def encoder_gaps(specs: Sequence[PretrainSpec], folder: Path) -> list[dict[str, Any]]:
    """Every pretraining run that is not complete, by name; those that differ by seed alone and have one reason are together."""
    found = []
    for spec in specs:
        run_dir = folder / run_id(spec) if spec.ready else None
        state = run_state(run_dir) if run_dir else RunState.MISSING
        error = read_failure(run_dir).error if run_dir and state == RunState.FAILED else None
        if state != RunState.COMPLETE:
            found.append((spec.name.rpartition("-s")[0], None, state, why(state, spec.ready, error), spec.seed))
    return _together(found)


def run_gaps(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The same of fine-tuning runs (`m2pt.runs.table.read_table`) by cell; a run of several parts stands with the first of them.

    `cell` is its key (`m2pt.analysis.numbers.cells.CellKey`).
    """
    found = []
    rows = table.assign(part=table["parts"].astype(str).str.partition(" ")[0], error=table["error"].astype(object).fillna(""))
    for row in rows[rows["status"] != "complete"].to_dict("records"):
        cell = CellKey(Condition(row["setting"], row["tuning"], row["part"]), row["target"], row["method"], row["auxiliary"])
        reason = why(row["status"], bool(row["run_id"]), row["error"])
        found.append((cell.name, cell, row["status"], reason, int(row["seed"])))
    return _together(found)


def why(state: str, ready: bool, error: Any) -> str:
    """Why a run is not complete, in one line."""
    return " ".join(str(error or (_STATES[state] if ready else _UNREADY)).split())


def _together(found: Iterable[tuple[str, Any, str, str, int]]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, Any, str, str], list[int]] = {}
    for *key, seed in found:
        rows.setdefault((key[0], key[1], key[2], key[3]), []).append(seed)
    names = ("name", "cell", "status", "reason")
    return [dict(zip(names, key, strict=True)) | {"seeds": seeds} for key, seeds in rows.items()]


def unplanned(study: Study, specs: Sequence[RunSpec]) -> list[str]:
    """The methods that no part of a study can run on a target, in sentences: the part names too few modalities for them."""
    planned = {(spec.method, spec.target) for spec in specs}
    asked = [pair for part in study.expanded().values() for pair in product(part.sweep.methods, part.sweep.targets)]
    targets: dict[str, list[str]] = {}
    for method, target in dict.fromkeys(asked):
        if (method, target) not in planned and METHODS[method].takes in ("each", "all"):
            targets.setdefault(method, []).append(target)
    return [
        f"`{method}` has no run on {', '.join(names)}: `sweep.auxiliaries` names too few other modalities there."
        for method, names in targets.items()
    ]


def caveats(study: Study, specs: Sequence[RunSpec]) -> list[str]:
    """What a reader must know about the auxiliaries to judge the controls."""
    found = unplanned(study, specs)
    name = study.sweep.auxiliary_encoder
    source = study.encoders.get(name)
    if source is not None and source.kind == "labels":
        said = f"The auxiliaries come from the source `{name}`, which was trained with labels of their own modality."
        if any(spec.method == "own_modality" for spec in specs):
            said += (
                " So an own-modality auxiliary has seen labels of the target's own pretraining split, with the same classes: it "
                "is a positive control, not a rival."
            )
        found.append(said)
    elif name == RANDOM:
        found.append("The auxiliaries are random weights themselves: no pair can carry knowledge.")
    own = [spec for spec in specs if spec.method == "own_modality" and spec.target_weights and spec.auxiliary_weights]
    if any(spec.target_weights == spec.auxiliary_weights for spec in own):
        found.append("The own-modality auxiliary is the very encoder that the target starts from: it brings nothing new to it.")
    return found


def merges(records: Iterable[FinetuneRecord]) -> dict[str, Any] | None:
    """How exactly the pathways were merged into plain models; None where no complete run has been merged."""
    merged = [record.merge for record in records if record.merge]
    if not merged:
        return None
    unequal = sum(item.parameters != item.plain_parameters for item in merged)
    return {"runs": len(merged), "largest": max(item.max_logit_difference for item in merged), "unequal": unequal}
