"""Each kind of task, on small files in the published layouts: trained, merged, scored, in full and in fix tuning."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from m2pt import job, pathway, records
from m2pt.identity import RunSpec
from m2pt.modalities.point.readers.shapenetpart import CATEGORIES
from m2pt.model import Model
from m2pt.study_file import load_study
from m2pt.training import finetune as training
from pipelines.plan import job_inputs, resolve

rng = np.random.default_rng(0)


def audioset(folder: Path) -> None:
    lines = ["index,mid,display_name", *(f"{index},/m/{index},sound {index}" for index in range(3))]
    folder.mkdir(parents=True)
    (folder / "class_labels_indices.csv").write_text("\n".join(lines))
    for split in ("balanced_train_data", "eval_data"):
        entries = []
        for number in range(8):
            name = f"{split}-{number}.wav"
            tone = np.sin(np.arange(4000) * (0.05 + 0.1 * (number % 3))) * 0.3 + rng.normal(0, 0.01, 4000)
            soundfile.write(folder / name, tone, 16000)
            entries.append({"wav": name, "labels": f"/m/{number % 3}" + (",/m/2" if number == 1 else "")})
        (folder / f"{split}.json").write_text(json.dumps({"data": entries}))


def esc50(folder: Path) -> None:
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(20):
        name, fold, label = f"{number}.wav", number % 5 + 1, number // 5 % 2
        soundfile.write(folder / "audio" / name, np.sin(np.arange(4000) * (0.05 + 0.2 * label)) * 0.3, 16000)
        rows.append(f"{name},{fold},{label},{'dog' if label else 'cat'},True,1,A")
    (folder / "meta/esc50.csv").write_text("\n".join(rows))


def cloud(count: int, flat: bool) -> np.ndarray:
    points = rng.normal(size=(count, 3)).astype(np.float32)
    return points * (np.array([1, 1, 0.05], np.float32) if flat else 1)


def scanobjectnn(folder: Path) -> None:
    (folder / "main_split").mkdir(parents=True)
    for split in ("training", "test"):
        with h5py.File(folder / f"main_split/{split}_objectdataset.h5", "w") as file:
            file["data"] = np.stack([cloud(64, bool(number % 2)) for number in range(30)])
            file["label"] = np.arange(30) % 15


def shapenetpart(folder: Path) -> None:
    (folder / "train_test_split").mkdir(parents=True)
    firsts = np.cumsum([0, *CATEGORIES.values()]).tolist()
    categories = {name: (f"0{first}", first, parts) for (name, parts), first in zip(CATEGORIES.items(), firsts, strict=False)}
    (folder / "synsetoffset2category.txt").write_text("".join(f"{name}\t{row[0]}\n" for name, row in categories.items()))
    for split in ("train", "val", "test"):
        names = []
        for synset, first, parts in categories.values():
            (folder / synset).mkdir(exist_ok=True)
            for number in range(1):
                points = cloud(80, flat=False)
                labels = first + (points[:, 0] > 0).astype(int) * (parts - 1)
                rows = np.column_stack([points, np.zeros((80, 3)), labels])
                np.savetxt(folder / synset / f"{split}{number}.txt", rows, fmt="%.5f")
                names.append(f"shape_data/{synset}/{split}{number}")
        (folder / f"train_test_split/shuffled_{split}_file_list.json").write_text(json.dumps(names))


def kinetics(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split in ("train", "val"):
        lines = []
        for number in range(6):
            with av.open(str(folder / f"{split}{number}.mp4"), "w") as container:
                stream = container.add_stream("mpeg4", rate=10)
                stream.width = stream.height = 48
                stream.pix_fmt = "yuv420p"
                for _ in range(12):
                    picture = np.full((48, 48, 3), 60 + 120 * (number % 2), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                container.mux(stream.encode(None))
            lines.append(f"{split}{number}.mp4 {number % 2}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def ade20k(folder: Path) -> None:
    for split, count in (("training", 6), ("validation", 2)):
        for kind in ("images", "annotations"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            labels = np.zeros((40, 56), np.uint8)
            labels[:, 20:] = 1 + number % 3
            Image.fromarray(np.stack([labels * 60] * 3, -1)).save(folder / "images" / split / f"ADE_{number}.jpg")
            Image.fromarray(labels).save(folder / "annotations" / split / f"ADE_{number}.png")


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
}

CHANGES = {
    "scanobjectnn": ", augment: {kind: point, sample_from: 60}",
    "kinetics": ", test: {clips: 2, crops: 3}",
    "ade20k": ", test: {stride: 24}",
    "audioset": ", augment: {kind: audio, mixup: 0.5, roll: true, time_mask: 4, drop_time: 0.2, drop_frequency: 0.2}",
    "esc50": ", augment: {kind: audio, mixup: 0.5, frequency_mask: 4, time_mask: 4}",
}

METRICS = {
    "audioset": "map", "esc50": "accuracy", "scanobjectnn": "accuracy", "shapenetpart": "miou_instance", "kinetics": "accuracy",
    "ade20k": "miou",
}  # fmt: skip


def prepare(name: str, tuning: str, **execution: object) -> tuple[RunSpec, Path]:
    """Make a task's data and its one pathway run, from scratch with a random auxiliary."""
    make, fields = TASKS[name]
    make(Path("data") / name)
    text = f"""
study: one
data: {{root: data}}
model: {{width: 24, depth: 4, heads: 2}}
encoders: {{}}
tasks:
  {name}: {{path: {name}, {fields.replace("R:", tuning + ":")},
    finetune: {{batch_size: 4, epochs: 2, warmup_epochs: 0.5, learning_rate: 0.05, samples: all{CHANGES.get(name, "")}}}}}
sweep: {{seeds: [0], targets: [{name}], auxiliaries: [], methods: [random_auxiliary], settings: [scratch], tunings: [{tuning}],
        target_encoder: random, auxiliary_encoder: random}}
"""
    Path("one.yaml").write_text(text)
    plan = resolve(load_study("one.yaml"))
    (spec,) = plan.runs
    run_dir = records.create_run(Path("runs/one"), spec)
    records.write_json(run_dir / records.INPUTS, job_inputs(plan, spec) | {"device": "cpu"} | execution)
    return spec, run_dir


@pytest.mark.parametrize("name", TASKS)
def test_a_task_trains_moves_every_scale_and_is_scored(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    spec, run_dir = prepare(name, "full")
    assert job.run(run_dir) is None
    record = records.read_record(run_dir)
    assert record["metric"] == spec.metric == METRICS[name]
    assert record["test_scores"][spec.metric] == record["test_score"]
    assert 0 <= record["test_score"] <= 100
    for layer in pathway.LAYERS:
        moved = [value for key, value in record["scales"].items() if key.endswith(layer)]
        assert len(moved) == 4
        assert all(value != 0 for value in moved)
    assert record["merge"]["max_logit_difference"] < 1e-3
    assert record["merge"]["parameters"] == record["merge"]["plain_parameters"]
    losses = [line["train/loss"] for line in records.read_history(run_dir)]
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
