"""Tasks on published data sets: from a study file over its plan to finished runs, on small files in the published layouts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from m2pt import job, pathway
from m2pt.config import UserError
from m2pt.config.study_file import load_study
from m2pt.models.model import Model
from m2pt.runs.folder import HISTORY, MERGED, create_run, read_history
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import write_inputs
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from m2pt.training import finetune as training
from m2pt.training.finetune import build
from m2pt.training.places import Places
from m2pt.weights.saved import read_weights
from pipelines.planning.job_inputs import job_inputs
from pipelines.planning.plan import Plan, resolve
from pipelines.reporting.rendering import render_report

STUDY = """
study: toy
data: {root: data}
model: {width: 32, depth: 2, heads: 2}
encoders: {published: {kind: file, paths: {image: weights/mae.pth, audio: weights/audio.pth}}}
tasks:
  toy:
    modality: image
    dataset: imagenet
    path: pictures
    recipes: {full: mae-finetune, fix: mae-linear-probe}
    input: {size: 32, patch: 8}
    finetune: {batch_size: 6, epochs: 3, warmup_epochs: 1, learning_rate: 0.02, samples: all}
    holdout: 0.25
    UNREADABLE
sweep:
  seeds: [0]
  targets: [toy]
  auxiliaries: [audio]
  methods: [baseline, pathway]
  settings: [pretrained]
  tunings: [full, fix]
  target_encoder: published
  auxiliary_encoder: published
execution: {loader_workers: LOADERS}
"""


def mae_file(path: Path, modality: str, width: int = 32, depth: int = 2) -> None:
    """A file in MAE's layout with random values."""
    torch.manual_seed(len(modality))
    channels, tokens, patch = (3, 16, 8) if modality == "image" else (1, 512, 16)
    sizes = {"norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,)}
    sizes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    tensors = {
        "cls_token": torch.randn(1, 1, width) * 0.02,
        "pos_embed": torch.randn(1, tokens + 1, width) * 0.02,
        "patch_embed.proj.weight": torch.randn(width, channels, patch, patch) * 0.05,
        "patch_embed.proj.bias": torch.zeros(width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
        "decoder_embed.weight": torch.zeros(8, width),
        "mask_token": torch.zeros(1, 1, 8),
    }
    for index in range(depth):
        for name, size in sizes.items():
            norm = name.startswith("norm")
            tensors[f"blocks.{index}.{name}.weight"] = torch.ones(size) if norm else torch.randn(size) * 0.1
            tensors[f"blocks.{index}.{name}.bias"] = torch.zeros(size[0])
    path.parent.mkdir(exist_ok=True)
    torch.save({"model": tensors}, path)


def picture(path: Path, label: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 60, (40, 48, 3), dtype=np.uint8)
    noise[..., label] += 150
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 12), ("val", 5)):
        for label, name in enumerate(("n01", "n02", "n03")):
            for number in range(count):
                picture(Path(f"data/pictures/{split}/{name}/{number}.JPEG"), label, 100 * label + number)
    mae_file(Path("weights/mae.pth"), "image")
    mae_file(Path("weights/audio.pth"), "audio")
    write(tmp_path)
    return tmp_path


def write(project: Path, unreadable: str = "unreadable: fail", loaders: int = 0) -> None:
    (project / "toy.yaml").write_text(STUDY.replace("UNREADABLE", unreadable).replace("LOADERS", str(loaders)))


def planned() -> tuple[Plan, dict[tuple[str, str], RunSpec]]:
    plan = resolve(load_study("toy.yaml"))
    return plan, {(spec.method, spec.tuning): spec for spec in plan.runs}


def do(plan: Plan, spec: RunSpec, folder: str = "runs/toy", **inputs: object) -> Path:
    run_dir = create_run(Path(folder), spec)
    write_inputs(run_dir, job_inputs(plan, spec).model_copy(update=inputs))
    error = job.run(run_dir)
    if error:
        raise UserError(error)
    return run_dir


def test_a_pathway_run_on_pictures_learns_and_is_the_same_with_reading_processes(project: Path):
    plan, specs = planned()
    spec = specs["pathway", "full"]
    run_dir = do(plan, spec)
    record = read_record(run_dir, FinetuneRecord)
    assert (record.train_samples, record.val_samples, record.test_samples) == (27, 9, 15)
    assert set(record.scales) == {f"blocks.{index}.{layer}" for index in range(2) for layer in pathway.JOINABLE}
    assert all(value != 0 for value in record.scales.values())
    assert record.merge.max_logit_difference < 1e-4
    history = read_history(run_dir)
    assert [line["step"] for line in history] == [4, 8, 12], "an incomplete last batch is left out"
    assert "train/accuracy" not in history[0], "labels are mixed"
    again = do(plan, spec, "elsewhere", loader_workers=2)
    assert (again / HISTORY).read_bytes() == (run_dir / HISTORY).read_bytes()


def test_fix_trains_exactly_the_scales_and_the_head(project: Path, monkeypatch: pytest.MonkeyPatch):
    plan, specs = planned()
    spec = specs["pathway", "fix"]
    paths = {key[1]: path for key, path in plan.weights.items()}
    before = {
        name: value.clone() for name, value in build(spec, Places(paths["image"], (paths["audio"],)), 3).state_dict().items()
    }
    after: dict[str, torch.Tensor] = {}
    merge = pathway.merge

    def watched(model: Model) -> None:
        after.update({name: value.clone() for name, value in model.state_dict().items()})
        merge(model)

    monkeypatch.setattr(training.pathway, "merge", watched)
    record = read_record(do(plan, spec), FinetuneRecord)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    scales = {name for name in before if ".scales." in name}
    statistics = {f"head.0.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert changed == scales | {"head.1.weight", "head.1.bias"} | statistics
    assert record.trainable_parameters == len(scales) + 3 * 32 + 3


def test_the_target_starts_from_its_file(project: Path):
    plan, specs = planned()
    paths = {key[1]: path for key, path in plan.weights.items()}
    model = build(specs["baseline", "full"], Places(paths["image"]), 3)
    stored = torch.load("weights/mae.pth")["model"]
    assert torch.equal(model.tokenizer.positions.flatten(), stored["pos_embed"].flatten())
    assert torch.equal(model.blocks[1].mlp.fc2.weight, stored["blocks.1.mlp.fc2.weight"])


def test_a_damaged_picture_ends_the_run_with_its_name_or_is_left_out_and_counted(project: Path):
    damaged = Path("data/pictures/train/n02/3.JPEG")
    damaged.write_bytes(damaged.read_bytes()[:300])
    plan, specs = planned()
    with pytest.raises(UserError, match=r"n02/3\.JPEG") as caught:
        do(plan, specs["baseline", "full"])
    assert "Traceback" not in str(caught.value)
    with pytest.raises(UserError, match=r"n02/3\.JPEG"):
        do(plan, specs["baseline", "full"], "elsewhere", loader_workers=1)
    write(project, "unreadable: skip\n    max_unreadable: 0.1")
    plan, specs = planned()
    record = read_record(do(plan, specs["baseline", "full"]), FinetuneRecord)
    assert record.train_samples + record.val_samples == 35
    assert len(record.skipped) == 1
    assert "n02/3.JPEG" in record.skipped[0]


def test_two_processes_read_and_train_as_one(project: Path):
    plan, specs = planned()
    one, two = (do(plan, specs["pathway", "full"], f"runs/{devices}", devices=devices) for devices in (1, 2))
    for ours, theirs in zip(read_history(one), read_history(two), strict=True):
        assert theirs["train/loss"] == pytest.approx(ours["train/loss"], rel=1e-5)
    first, second = (read_record(run_dir, FinetuneRecord) for run_dir in (one, two))
    assert first.test_samples == second.test_samples == 15
    assert second.test_score == pytest.approx(first.test_score, abs=7)


def test_missing_data_and_weights_are_planned_and_named(project: Path):
    Path("weights/audio.pth").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "plan", "--study", "toy.yaml", "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["weights"]["missing"] == {"encoders.published.paths.audio": "weights/audio.pth"}
    states = {entry["name"]: entry["state"] for entry in document["runs"]}
    assert states["toy-baseline-pretrained-full-s0"] == "missing"
    assert states["toy-from-audio-pathway-pretrained-full-s0"] == "waiting"


def test_merged_weights_of_a_task_load_into_a_plain_model(project: Path):
    plan, specs = planned()
    spec = specs["pathway", "full"]
    run_dir = do(plan, spec)
    plain = training.fresh(spec, 3)
    plain.load_state_dict(read_weights(run_dir / MERGED))
    assert run_dir.name == run_id(spec)


def test_the_report_says_what_makes_our_runs_others_than_the_papers(project: Path):
    plan, specs = planned()
    do(plan, specs["baseline", "full"])
    do(plan, specs["pathway", "full"])
    page = render_report(resolve(load_study("toy.yaml")), project / "reports")
    rows = pd.read_csv(page.parent / "published.csv", keep_default_na=False).set_index(
        ["dataset", "metric", "setting", "tuning", "auxiliary"]
    )
    score = read_record(Path("runs/toy") / run_id(specs["baseline", "full"]), FinetuneRecord).test_score
    baseline = rows.loc["imagenet", "accuracy", "pretrained", "full", ""]
    assert (baseline["published"], baseline["difference"], float(baseline["mean"])) == ("", "", pytest.approx(score))
    for point in (
        "the paper's 83.3 is of another run", "input.size: 32 [224]", "finetune.epochs: 3 [100]", "model.width: 32 [768]",
        "25% of the training samples held out [none]", "36 training samples [1,281,167]", "15 test samples [50,000]",
        "3 classes [1,000]",
    ):  # fmt: skip
        assert point in baseline["differs"]
    unfinished = rows.loc["imagenet", "accuracy", "pretrained", "fix", ""]
    assert (unfinished["published"], unfinished["mean"]) == ("", "") and "65.6 is of another run" in unfinished["differs"]
    text = (page.parent / "report.md").read_text()
    assert f"{score:.1f}" in text and "the paper's 83.3 is of another run" in text
    assert "Comparison with the paper" in page.read_text()
    assert "=&#34;" not in page.read_text(), "an attribute of the page is escaped"
    document = json.loads(
        subprocess.run(
            [sys.executable, "-m", "pipelines", "plan", "--study", "toy.yaml", "--json"], capture_output=True, check=True
        ).stdout
    )
    cells = {cell["cell"]: cell for cell in document["cells"]}
    whole = cells["toy-baseline-pretrained-full"]
    assert whole["published"] is None and "15 test samples [50,000]" in whole["differs"]
    assert whole["told"].startswith("the paper's 83.3 is of another run: ")
