"""Each kind of task, on small files in the published layouts: trained, merged, scored, in full and in fix tuning."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from m2pt import job, pathway
from m2pt.config import UserError
from m2pt.config.study_file import load_study
from m2pt.inference.trained import LABELLED, trained
from m2pt.models.model import Model
from m2pt.runs.folder import create_run, read_history
from m2pt.runs.inputs import write_inputs
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import RunSpec
from m2pt.training import finetune as training
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import resolve
from tests.pipelines.published_files import ade20k, audioset, coco, esc50, kinetics, scanobjectnn, shapenetpart

TASKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "audioset": (
        audioset,
        "modality: audio, dataset: audioset, goal: tagging, variant: balanced, recipes: {R: audiomae-audioset-20k}, "
        "input: {frames: 32, mels: 32, patch: 8}",
    ),
    "esc50": (
        esc50,
        "modality: audio, dataset: esc50, recipes: {R: audiomae-esc50}, input: {frames: 32, mels: 32, patch: 8}",
    ),
    "scanobjectnn": (
        scanobjectnn,
        "modality: point, dataset: scanobjectnn, variant: obj_bg, recipes: {R: point-mae-scanobjectnn}, "
        "input: {points: 48, groups: 8, neighbours: 6}",
    ),
    "shapenetpart": (
        shapenetpart,
        "modality: point, dataset: shapenetpart, goal: part_segmentation, recipes: {R: point-mae-shapenetpart}, "
        "input: {points: 64, groups: 8, neighbours: 6}",
    ),
    "kinetics": (
        kinetics,
        "modality: video, dataset: kinetics, recipes: {R: videomae-kinetics400}, "
        "input: {frames: 4, stride: 2, size: 32, patch: 16, tubelet: 2}",
    ),
    "ade20k": (
        ade20k,
        "modality: image, dataset: ade20k, goal: semantic_segmentation, recipes: {R: mae-ade20k}, input: {size: 32, patch: 8}",
    ),
    "coco": (
        coco,
        "modality: image, dataset: coco, goal: instance_segmentation, recipes: {R: vitdet-coco}, input: {size: 32, patch: 8}",
    ),
}

CHANGES = {
    "scanobjectnn": ", augment: {kind: point, sample_from: 60}",
    "kinetics": ", test: {clips: 2, crops: 3}",
    "ade20k": ", test: {stride: 24}",
    "coco": ", blocks: {windows: 3}",
    "audioset": ", augment: {kind: audio, mixup: 0.5, roll: true, time_mask: 4, drop_time: 0.2, drop_frequency: 0.2}",
    "esc50": ", augment: {kind: audio, mixup: 0.5, frequency_mask: 4, time_mask: 4}",
}

METRICS = {
    "audioset": "map", "esc50": "accuracy", "scanobjectnn": "accuracy", "shapenetpart": "miou_instance", "kinetics": "accuracy",
    "ade20k": "miou", "coco": "ap_box",
}  # fmt: skip


def prepare(
    name: str, tuning: str, method: str = "random_auxiliary", joined: str = "", **execution: object
) -> tuple[RunSpec, Path]:
    """Make a task's data and its one pathway run, from scratch with a random auxiliary."""
    make, fields = TASKS[name]
    make(Path("data") / name)
    text = f"""
study: one
data: {{root: data}}
model: {{width: 24, depth: 4, heads: 2}}
encoders: {{}}
pathway: {{{joined}}}
tasks:
  {name}: {{path: {name}, {fields.replace("R:", tuning + ":")},
    finetune: {{batch_size: 4, epochs: 2, warmup_epochs: 0.5, learning_rate: 0.05, samples: all{CHANGES.get(name, "")}}}}}
sweep: {{seeds: [0], targets: [{name}], auxiliaries: [], methods: [{method}], settings: [scratch], tunings: [{tuning}],
        target_encoder: random, auxiliary_encoder: random}}
"""
    Path("one.yaml").write_text(text)
    plan = resolve(load_study("one.yaml"))
    (spec,) = plan.runs
    run_dir = create_run(Path("runs/one"), spec)
    write_inputs(run_dir, job_inputs(plan, spec).model_copy(update=execution))
    return spec, run_dir


@pytest.mark.parametrize("name", TASKS)
def test_a_task_trains_moves_every_scale_and_is_scored(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    spec, run_dir = prepare(name, "full")
    assert job.run(run_dir) is None
    record = read_record(run_dir, FinetuneRecord)
    assert record.metric == spec.metric == METRICS[name]
    assert record.test_scores[spec.metric] == record.test_score
    assert 0 <= record.test_score <= 100
    for layer in pathway.JOINABLE:
        moved = [value for key, value in record.scales.items() if key.endswith(layer)]
        assert len(moved) == 4
        assert all(value != 0 for value in moved)
    assert record.merge.max_logit_difference < 1e-3
    assert record.merge.parameters == record.merge.plain_parameters
    by_sample = read_sample_scores(run_dir, record)
    assert (by_sample is None) == (spec.metric in ("map", "miou", "ap_box")), "these are no means over samples"
    if by_sample is not None:
        assert len(by_sample) == record.test_samples
        assert 100 * np.nanmean(by_sample) == pytest.approx(record.test_score)
    if spec.goal not in LABELLED:
        with pytest.raises(UserError, match=f"is for {spec.goal}; only models that label whole samples"):
            trained(run_dir)
    losses = [line["train/loss"] for line in read_history(run_dir)]
    assert all(np.isfinite(losses))


@pytest.mark.parametrize("name", ["audioset", "scanobjectnn", "shapenetpart", "kinetics"])
def test_fix_trains_the_scales_and_the_head_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    _, run_dir = prepare(name, "fix")
    before: dict[str, torch.Tensor] = {}
    after: dict[str, torch.Tensor] = {}
    build, merge = training.build, pathway.merge

    def built(*arguments: object) -> Model:
        model = build(*arguments)
        before.update({name: value.clone() for name, value in model.state_dict().items()})
        return model

    def merged(model: Model) -> None:
        after.update({name: value.clone() for name, value in model.state_dict().items()})
        merge(model)

    monkeypatch.setattr(training, "build", built)
    monkeypatch.setattr(training.pathway, "merge", merged)
    assert job.run(run_dir) is None
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learned = {key for key in before if ".scales." in key or (key.startswith("head.") and key.endswith((".weight", ".bias")))}
    # Batch norms keep statistics of what they see, in the tokenizer of points too; they learn nothing by that.
    statistics = {key for key in before if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed - statistics == learned


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("audioset", "linear"),
        ("esc50", "activations"),
        ("scanobjectnn", "procrustes"),
        ("shapenetpart", "linear"),
        ("kinetics", "procrustes"),
        ("ade20k", "activations"),
        ("coco", "linear"),
    ],
)
def test_an_auxiliary_is_aligned_on_the_samples_of_a_task(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Class tokens, positions that are added before every block, batch norm in a tokenizer, scenes: nothing stands in its way."""
    monkeypatch.chdir(tmp_path)
    spec, run_dir = prepare(name, "full", "aligned_random", f"alignment: {kind}")
    assert spec.pathway is not None
    assert spec.pathway.alignment == kind
    assert job.run(run_dir) is None
    assert read_record(run_dir, FinetuneRecord).merge is not None
