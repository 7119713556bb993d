"""Complete runs without a training: a fresh model of small size with its record, in a folder as a job leaves it.

And complete studies, of which each run is done in this process.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from m2pt import job
from m2pt.config import AudioInput, ImageInput, PointInput, VideoInput
from m2pt.config.study_file import load_study
from m2pt.models.model import plain
from m2pt.runs.folder import MERGED, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import write_inputs
from m2pt.runs.record import write_record
from m2pt.runs.spec import RunSpec, Spec
from m2pt.weights.saved import save_weights
from pipelines.planning.embedded_data import make_data
from pipelines.planning.folders import encoders_folder, runs_folder
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import resolve
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
        model = plain(spec, len(CLASSES))
        for parameter in (*model.parameters(), *(buffer for name, buffer in model.named_buffers() if "running_mean" in name)):
            torch.nn.init.normal_(parameter, std=0.3)
    sha256 = save_weights(run_dir / MERGED, model)
    write_record(run_dir, finetune_record(run_id(spec), classes=list(CLASSES), files={MERGED: sha256}, **record))
    return run_dir


def do_study(file: str, among: Callable[[Spec], bool] = lambda _: True) -> None:
    """Do the runs of a study in this folder, or those `among` them, encoders first; its data are made if they are to be."""
    study = load_study(file)
    if study.data.embedded is not None:
        make_data(Path(study.data.root), study.data.embedded)
    plan = resolve(study)
    while left := [spec for spec in plan.unfinished(plan.specs) if plan.is_ready(spec) and among(spec)]:
        for spec in left:
            run_dir = create_run(runs_folder(study) if isinstance(spec, RunSpec) else encoders_folder(study), spec)
            write_inputs(run_dir, job_inputs(plan, spec))
            assert job.run(run_dir) is None
        plan = resolve(study)
