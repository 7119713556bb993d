"""What a study is made from: its data, its encoders, how they were read, and how exactly pathways were merged."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import GivenSource, RunSource, Study, TimmSource
from m2pt.runs.damage import whole_state
from m2pt.runs.folder import RECONSTRUCTIONS, RunState
from m2pt.runs.identity import run_id
from m2pt.runs.plugins import PluginCode
from m2pt.runs.record import FinetuneRecord, PretrainRecord, read_record
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec


@dataclass(frozen=True)
class DatasetRow:
    """The data of one modality or task: folder, origin in words, and the fingerprint of their content."""

    name: str
    folder: str
    origin: str
    sha256: str


@dataclass(frozen=True)
class EncoderRow:
    """One encoder of a study.

    `kind` is how it was made, `status` the state of its run, or `file`. What an encoder from a file lacks is None: the metric,
    the validation score (in percent for accuracy), the steps and the seed of its pretraining.
    """

    source: str
    modality: str
    kind: str
    status: str
    sha256: str | None
    metric: str | None = None
    val_score: float | None = None
    steps: int | None = None
    instead: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Merges:
    """How exactly `runs` pathways were merged into plain models.

    `largest` is the largest difference of a logit before and after, `unequal` how many have another number of parameters than a
    plain model.
    """

    runs: int
    largest: float
    unequal: int


def datasets(study: Study, specs: Sequence[Spec]) -> list[DatasetRow]:
    """The data of each modality or task that the specs use, with the fingerprint of their content."""
    prints: dict[str, str] = {}
    for spec in specs:
        if isinstance(spec, RunSpec) or spec.reads_data:
            prints[spec.target if isinstance(spec, RunSpec) else spec.modality] = spec.data_sha256
    return [DatasetRow(name, _folder(study, name), _origin(study, name), prints[name]) for name in prints]


def plugins(specs: Sequence[Spec]) -> list[tuple[PluginCode, int]]:
    """The code of the plugins that the specs compute with, each with the number of specs."""
    return sorted(Counter(code for spec in specs for code in spec.plugins).items(), key=lambda item: str(item[0]))


def _origin(study: Study, name: str) -> str:
    """Where data come from: a task reads the user's own even in a study that makes the data of its modalities."""
    return "made here (embedded)" if study.data.embedded and name not in study.tasks else "the user's own"


def _folder(study: Study, name: str) -> str:
    path = f"{study.data.root}/{study.tasks[name].path if name in study.tasks else name}"
    return os.path.normpath(path) if ".." in path else path


def encoders(study: Study, specs: Sequence[RunSpec], pretraining: Sequence[PretrainSpec], folder: Path) -> list[EncoderRow]:
    """The encoders of the study: those trained here with their scores, those from files with their fingerprints."""
    rows = [_trained(study, spec, folder) for spec in pretraining]
    references = {ref for spec in specs for ref in (spec.target_weights, *spec.auxiliary_refs) if ref is not None}
    for reference in sorted(references, key=lambda ref: (ref.source, ref.modality)):
        source = study.encoders.get(reference.source)
        if isinstance(source, GivenSource):
            rows.append(EncoderRow(reference.source, reference.modality, _given(source), "file", reference.sha256))
    return rows


def _given(source: GivenSource) -> str:
    return f"timm's {source.name}" if isinstance(source, TimmSource) else "run" if isinstance(source, RunSource) else "file"


def _trained(study: Study, spec: PretrainSpec, folder: Path) -> EncoderRow:
    identifier = run_id(spec) if spec.ready else ""
    state = whole_state(folder / identifier, PretrainRecord)[0] if identifier else RunState.MISSING
    record = read_record(folder / identifier, PretrainRecord) if state == RunState.COMPLETE else None
    source = study.encoders.get(spec.source)
    return EncoderRow(
        source=spec.source,
        modality=spec.modality,
        kind=source.kind if source else spec.source,
        status=state,
        sha256=record.encoder_sha256 if record else None,
        metric=record.metric if record else None,
        val_score=record.val_score if record else None,
        steps=spec.pretrain.steps,
        instead="noise" if spec.samples == "noise" else "random labels" if spec.labels == "random" else "",
        seed=spec.seed,
    )


def readings(records: Iterable[FinetuneRecord]) -> list[str]:
    """How files of encoders were read, where not plainly: one sentence for each file and way, from the records of runs."""
    sentences: dict[str, None] = {}
    for record in records:
        for loaded in record.loaded:
            name = f"{loaded.source} ({loaded.modality}, {loaded.layout})"
            if loaded.positions:
                sentences[f"Positions of {name} were resized {loaded.positions}."] = None
            if loaded.weights == "ema" or loaded.beside:
                kind = "the moving average was" if loaded.weights == "ema" else "the trained weights were"
                beside = f"; others are under {', '.join(loaded.beside)}" if loaded.beside else ""
                sentences[f"From {name}, {kind} read{beside}."] = None
            sentences |= {f"Of {name}: {assumed}.": None for assumed in loaded.assumed}
            if narrow := [kind for kind in loaded.precisions if kind.startswith("float8")]:
                sentences[f"Weights of {name} are stored as {', '.join(narrow)}."] = None
    return sorted(sentences)


def reconstructions(pretraining: Sequence[PretrainSpec], folder: Path) -> list[tuple[PretrainSpec, Path]]:
    """The drawn reconstructions of the encoders that have them; of several replicates, those of the first that has any."""
    folders = [(spec, folder / run_id(spec)) for spec in pretraining if spec.ready]
    having = [(spec, run_dir) for spec, run_dir in folders if (run_dir / RECONSTRUCTIONS).is_file()]
    whole = [(spec, run_dir) for spec, run_dir in having if whole_state(run_dir, PretrainRecord)[0] == RunState.COMPLETE]
    drawn = [(spec, run_dir / RECONSTRUCTIONS) for spec, run_dir in whole]
    first = {(spec.source, spec.modality): (spec, path) for spec, path in reversed(drawn)}
    return [item for item in drawn if item in first.values()]


def merges(records: Iterable[FinetuneRecord]) -> Merges | None:
    """How exactly the pathways were merged into plain models; None where no complete run has been merged."""
    merged = [record.merge for record in records if record.merge]
    if not merged:
        return None
    unequal = sum(item.parameters != item.plain_parameters for item in merged)
    return Merges(len(merged), max(item.max_logit_difference for item in merged), unequal)
