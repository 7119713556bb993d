"""Complete runs without a training: a fresh model of small size with its record, in a folder as a job leaves it."""

from pathlib import Path
from typing import Any

import torch

from m2pt.config import AudioInput, ImageInput, PointInput, VideoInput
from m2pt.models.model import fresh
from m2pt.runs.folder import MERGED, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.record import write_record
from m2pt.runs.spec import RunSpec
from m2pt.weights.saved import save_weights
from tests.run_records import finetune_record
from tests.specs import run_spec

INPUTS = {
    "image": ImageInput(),
    "audio": AudioInput(),
    "point": PointInput(points=48, groups=6, neighbours=8),
    "video": VideoInput(),
}
CLASSES = ("first", "second", "third")


def finished_run(folder: Path, modality: str = "image", record: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A complete run on small data of a modality."""
    fields = {"target": modality, "modality": modality, "input": INPUTS[modality], "auxiliary": "random", "setting": "scratch"}
    fields |= {"method": "random_auxiliary", "target_weights": None, "auxiliary_weights": None}
    return finish(folder, run_spec(**(fields | changes)), record or {})


def finish(folder: Path, spec: RunSpec, record: dict[str, Any]) -> Path:
    """The complete run of a spec; its weights are drawn by its seed, and large enough to tell models apart."""
    run_dir = create_run(folder, spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model = fresh(spec, len(CLASSES))
        for parameter in (*model.parameters(), *(buffer for name, buffer in model.named_buffers() if "running_mean" in name)):
            torch.nn.init.normal_(parameter, std=0.3)
    sha256 = save_weights(run_dir / MERGED, model)
    write_record(run_dir, finetune_record(run_id(spec), classes=list(CLASSES), files={MERGED: sha256}, **record))
    return run_dir
