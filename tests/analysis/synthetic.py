"""Whole studies with made-up results, in the form that real runs leave behind."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from m2pt.analysis.sections.facts import Source
from m2pt.config import LAYERS, MODALITIES, Modality, Study
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import ENCODER, EXECUTION, FAILURE, HISTORY, RECONSTRUCTIONS, RECORD, create_run
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import PretrainSpec, RunSpec, WeightsRef
from tests.run_records import finetune_document

STUDY = """
study: synthetic
data: {embedded: {}}
encoders:
  mae: {kind: mae}
  mae+labels: {kind: labels, start: mae}
finetune: {epochs: %d}
sweep:
  seeds: [%s]
  targets: [%s]
  auxiliaries: [%s]
  auxiliary_encoder: mae+labels
"""

Scores = Callable[[RunSpec], float]


@dataclass(frozen=True)
class Planned:
    """A study, its specs, and the folders where its runs lie."""

    study: Study
    specs: list[RunSpec]
    pretraining: list[PretrainSpec]
    runs: Path
    encoders: Path

    @property
    def source(self) -> Source:
        """What a report of the study is made from."""
        return Source(self.study, self.specs, self.runs, self.pretraining, self.encoders)

    def folder(self, spec: RunSpec) -> Path:
        return create_run(self.runs, spec)


def plan(
    root: Path, seeds: int = 3, targets: tuple[Modality, ...] = MODALITIES, epochs: int = 5, tunings: Any = ("full",)
) -> Planned:
    names = ", ".join(targets)
    study = parse_study(STUDY % (epochs, ", ".join(map(str, range(seeds))), names, names), "synthetic.yaml")
    specs = [
        _spec(study, target, auxiliary, method, seed, tuning)
        for tuning in tunings
        for target in targets
        for method, auxiliary in (
            ("baseline", ""),
            *(("pathway", name) for name in targets if name != target),
            ("random_auxiliary", "random"),
            ("own_lineage", target),
        )
        for seed in range(seeds)
    ]
    pretraining = [_pretrain(study, name, source) for name in targets for source in study.encoders]
    return Planned(study, specs, pretraining, root / "runs" / study.study, root / "encoders" / study.study)


def _weights(source: str, modality: str) -> WeightsRef:
    return WeightsRef.model_validate({"source": source, "modality": modality, "sha256": _sha(source, modality)})


def _sha(*parts: str) -> str:
    return f"{derived_seed(0, *parts):016x}" * 4


def _spec(study: Study, target: Modality, auxiliary: str, method: Any, seed: int, tuning: Any) -> RunSpec:
    return RunSpec(
        target=target,
        modality=target,
        auxiliary=auxiliary,
        method=method,
        setting="pretrained",
        tuning=tuning,
        seed=seed,
        input=getattr(study.inputs, target),
        model=study.model,
        finetune=study.finetune,
        pathway=study.pathway if auxiliary else None,
        data_sha256=_sha("data", target),
        target_weights=_weights("mae", target),
        auxiliary_weights=_weights("mae+labels", auxiliary) if auxiliary in MODALITIES else None,
    )


def _pretrain(study: Study, modality: Modality, source: str) -> PretrainSpec:
    labels = source == "mae+labels"
    return PretrainSpec(
        modality=modality,
        source=source,
        seed=0,
        input=getattr(study.inputs, modality),
        model=study.model,
        pretrain=study.pretrain.labels if labels else study.pretrain.mae,
        data_sha256=_sha("data", modality),
        start=_weights("mae", modality) if labels else None,
    )


def pilot_scores(spec: RunSpec) -> float:
    """Scores as the design's pilot found them: gains by re-parameterization, and own modality beyond it."""
    base = {"image": 61.9, "audio": 70.6, "point": 65.1, "video": 67.6}[spec.target]
    gain = {"baseline": 0.0, "pathway": 1.4, "random_auxiliary": 1.3, "own_lineage": 3.6}[spec.method]
    shared = np.random.default_rng(derived_seed(spec.seed, spec.target)).normal(0, 1.2)
    own = np.random.default_rng(derived_seed(spec.seed, spec.name)).normal(0, 0.5)
    return round(base + gain + shared + own, 1)


def complete(planned: Planned, scores: Scores = pilot_scores, execution: bool = True) -> Planned:
    """Write every run as a complete one."""
    for spec in planned.specs:
        write_run(planned, spec, scores(spec), execution)
    for pretrain in planned.pretraining:
        write_encoder(planned, pretrain)
    return planned


def write_run(planned: Planned, spec: RunSpec, score: float, execution: bool = True) -> Path:
    run_dir = planned.folder(spec)
    epochs, depth = spec.finetune.epochs, spec.model.depth
    rng = np.random.default_rng(derived_seed(spec.seed, spec.name))
    lines = []
    for epoch in range(1, epochs + 1):
        progress = 1 - np.exp(-3 * epoch / epochs)
        line: dict[str, Any] = {"epoch": epoch, "step": 16 * epoch, "learning_rate": 1e-3 * (1 - epoch / epochs)}
        line |= {"train/loss": 2.3 - 1.2 * progress + rng.normal(0, 0.03), "train/accuracy": 10 + 60 * progress}
        line |= {"val/loss": 2.3 - 0.9 * progress, "val/accuracy": 10 + (score - 9) * progress + rng.normal(0, 1)}
        for name, size in _scales(spec, depth, rng).items():
            line |= {f"scale/{name}": size * progress, f"effective_size/{name}": 0.9 * abs(size) * progress}
        lines.append(line)
    documents.write_atomic(run_dir / HISTORY, "".join(json.dumps(line) + "\n" for line in lines).encode())
    scales = {name[6:]: value for name, value in lines[-1].items() if name.startswith("scale/")}
    sizes = [abs(value) for value in scales.values()]
    record = finetune_document(
        run_dir.name,
        epoch=epochs,
        val_score=score + 0.5,
        test_score=score,
        test_scores={"accuracy": score},
        train_samples=None,
        classes=[str(i) for i in range(10)],
        confusion=confusion(spec, score),
        scales=scales,
        effective_sizes={name: 0.9 * abs(value) for name, value in scales.items()},
        scale_abs_mean=float(np.mean(sizes)) if scales else None,
        effective_size_mean=float(np.mean([0.9 * size for size in sizes])) if scales else None,
        parameters=205_000,
        trainable_parameters=400_000 if scales else 205_000,
        merge={"max_logit_difference": 2.4e-6, "parameters": 205_000, "plain_parameters": 205_000} if scales else None,
        files={"merged.safetensors": "0" * 64},
    )
    documents.write_json(run_dir / RECORD, record)
    if execution:
        write_execution(run_dir)
    return run_dir


def confusion(spec: RunSpec, score: float) -> list[list[int]]:
    """A hundred samples of each of ten classes, about `score` percent of them told right, the others taken for the next class."""
    rng = np.random.default_rng(derived_seed(spec.seed, "confusion", spec.name))
    right = np.clip(np.round(score + rng.normal(0, 5, 10)), 0, 100).astype(int)
    return [[int(right[i]) if j == i else int(100 - right[i]) * (j == (i + 1) % 10) for j in range(10)] for i in range(10)]


def _scales(spec: RunSpec, depth: int, rng: np.random.Generator) -> dict[str, float]:
    if not spec.auxiliary:
        return {}
    reach = {"own_lineage": 1.6, "random_auxiliary": 0.8}.get(spec.method, 1.0)
    sizes = {"attn.qkv": 0.3, "mlp.fc1": 0.22, "attn.proj": 0.17, "mlp.fc2": 0.12}
    names = {f"blocks.{block}.{layer}": reach * sizes[layer] * (1 - 0.12 * block) for block in range(depth) for layer in LAYERS}
    return {name: size * float(rng.choice([-1, 1])) for name, size in names.items()}


def write_failure(planned: Planned, spec: RunSpec, error: str) -> Path:
    run_dir = planned.folder(spec)
    (run_dir / RECORD).unlink(missing_ok=True)
    documents.write_json(run_dir / FAILURE, {"error": error, "details": "Traceback ...", "kind": "error"})
    return run_dir


def write_encoder(planned: Planned, spec: PretrainSpec) -> Path:
    run_dir = create_run(planned.encoders, spec)
    metric, score = ("reconstruction_loss", 0.412) if spec.start is None else ("accuracy", 88.4)
    record = {"run_id": run_dir.name, "kind": "pretrain", "metric": metric, "val_score": score, "parameters": 204_000}
    documents.write_json(run_dir / RECORD, record | {"files": {ENCODER: _sha(spec.source, spec.modality)}})
    if spec.start is None:
        pixels = np.random.default_rng(0).integers(0, 255, (96, 384), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png")
        documents.write_atomic(run_dir / RECONSTRUCTIONS, buffer.getvalue())
    write_execution(run_dir)
    return run_dir


def write_execution(run_dir: Path, device: str = "cpu", started: str = "2026-11-21T11:00:00+00:00") -> None:
    versions = {"python": "3.11.9", "torch": "2.13.0", "timm": "1.0.31", "numpy": "2.4.6", "m2pt": "0.1.0"}
    attempt = {
        "started": started, "resumed_from_epoch": 0, "seconds": {"load": 0.3, "train": 2.5, "evaluate": 0.4, "total": 3.4},
        "device": device, "device_name": "a processor", "threads": 1, "peak_memory_bytes": 123_000_000,
        "git_commit": "abc1234" * 5, "versions": versions,
    }  # fmt: skip
    documents.write_json(run_dir / EXECUTION, {"attempts": [attempt]})
