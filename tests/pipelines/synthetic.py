"""Folders of runs as a job leaves them, without the work."""

import json
from datetime import UTC, datetime
from pathlib import Path

from m2pt.config import FinetuneConfig, ImageInput, MaePretrain, ModelConfig, PathwayConfig
from m2pt.files import documents
from m2pt.runs.folder import (
    ENCODER,
    EXECUTION,
    FAILURE,
    HISTORY,
    LOG,
    MERGED,
    RECONSTRUCTIONS,
    RECORD,
    TIMES,
    create_run,
    read_history,
)
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec, WeightsRef
from tests.run_records import finetune_document

START_MS = 1_763_700_000_000
LAYERS = tuple(f"blocks.{block}.{layer}" for block in range(2) for layer in ("attn.qkv", "mlp.fc1"))


def pathway_spec(seed: int = 0, auxiliary: str = "audio") -> RunSpec:
    return RunSpec(
        target="image",
        modality="image",
        auxiliary=auxiliary,
        method="pathway" if auxiliary else "baseline",
        setting="pretrained",
        tuning="full",
        seed=seed,
        input=ImageInput(),
        model=ModelConfig(),
        finetune=FinetuneConfig(epochs=6),
        pathway=PathwayConfig(layers=("attn.qkv", "mlp.fc1")) if auxiliary else None,
        data_sha256="d" * 64,
        target_weights=WeightsRef(source="mae", modality="image", sha256="1" * 64),
        auxiliary_weights=WeightsRef(source="mae", modality="audio", sha256="2" * 64) if auxiliary else None,
    )


def pretrain_spec() -> PretrainSpec:
    return PretrainSpec(
        modality="image",
        source="mae",
        seed=0,
        input=ImageInput(),
        model=ModelConfig(),
        pretrain=MaePretrain(),
        data_sha256="d" * 64,
        start=None,
    )


def epoch_line(spec: Spec, epoch: int) -> dict[str, float]:
    """Follows from spec and epoch alone, as in a deterministic run."""
    line = {"epoch": epoch, "step": 16 * epoch, "learning_rate": 0.001 / epoch, "train/loss": 2.0 / epoch + spec.seed}
    if isinstance(spec, PretrainSpec):
        return line | {"val/loss": 2.5 / epoch}
    line |= {"val/loss": 2.5 / epoch, "val/accuracy": 60.0 + epoch + spec.seed}
    if spec.pathway:
        line |= {f"scale/{layer}": 0.01 * epoch * index for index, layer in enumerate(LAYERS)}
        line |= {f"effective_size/{layer}": 0.02 * epoch * index for index, layer in enumerate(LAYERS)}
    return line


def begin(folder: Path, spec: Spec) -> Path:
    """A run whose job has started."""
    run_dir = create_run(folder, spec)
    write_inputs(run_dir, JobInputs(data="data/image", cache="cache"))
    return run_dir


def advance(run_dir: Path, spec: Spec, first: int, last: int, start_ms: int = START_MS) -> None:
    """Epochs `first` to `last`; what stands from `first` on was lost in a kill and is done again. Times are appended to."""
    kept = read_history(run_dir)[: first - 1]
    lines = [*kept, *(epoch_line(spec, epoch) for epoch in range(first, last + 1))]
    (run_dir / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (run_dir / TIMES).open("a") as file:
        for epoch in range(first, last + 1):
            file.write(json.dumps({"epoch": epoch, "time_ms": start_ms + 1000 * epoch}) + "\n")


def complete(run_dir: Path, spec: Spec, resumed_from: int = 0, start_ms: int = START_MS) -> None:
    """The rest of what a complete run leaves."""
    attempt = {
        "started": datetime.fromtimestamp(start_ms / 1000, UTC).isoformat(),
        "resumed_from_epoch": resumed_from,
        "seconds": {"load": 0.5, "train": 5.0, "total": 6.0},
        "device": "cpu",
        "device_name": "a processor",
        "threads": 1,
        "peak_memory_bytes": 3 * 2**20,
        "git_commit": "c" * 40,
        "versions": {"python": "3.11.0", "torch": "2.13.0"},
    }
    documents.write_json(run_dir / EXECUTION, {"attempts": [attempt]})
    (run_dir / FAILURE).unlink(missing_ok=True)
    last = read_history(run_dir)[-1]
    if isinstance(spec, RunSpec):
        (run_dir / MERGED).write_bytes(b"weights" * 100)
        merge = {"max_logit_difference": 1e-6, "parameters": 1000, "plain_parameters": 1000}
        joined = {"scale_abs_mean": 0.1, "effective_size_mean": 0.2, "merge": merge} if spec.pathway else {}
        scores = {"epoch": last["epoch"], "val_score": last["val/accuracy"], "parameters": 1000, "trainable_parameters": 1500}
        record = finetune_document(run_id(spec), **scores, **joined)
    else:
        (run_dir / ENCODER).write_bytes(b"weights" * 100)
        (run_dir / RECONSTRUCTIONS).write_bytes(b"picture")
        record = {"run_id": run_id(spec), "kind": "pretrain", "metric": "reconstruction_loss", "val_score": last["val/loss"]}
        record |= {"parameters": 1000, "files": {}}
    documents.write_json(run_dir / RECORD, record)


def fail(run_dir: Path, error: str = "image: the loss of epoch 4 is not finite.") -> None:
    (run_dir / LOG).write_text("a long story")
    documents.write_json(run_dir / FAILURE, {"error": error, "details": "", "kind": "error"})


def whole(folder: Path, spec: Spec, epochs: int = 6) -> Path:
    """A complete run."""
    run_dir = begin(folder, spec)
    advance(run_dir, spec, 1, epochs)
    complete(run_dir, spec)
    return run_dir
