"""`make paper-rehearsal`: studies/paper.yaml, cut down in size and in nothing else, done whole by the command that a user runs.

Every part, setting, tuning and seed of the file is there. What is small: the width of the encoder, the form of the samples, the
batches, the epochs, the data (generated, in the published files) and the weights (random, in each published layout).
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from m2pt.config.study_file import load_study
from m2pt.runs.record import FinetuneRecord, read_record
from pipelines.planning.plan import resolve
from tests.pipelines import published_files
from tests.weights import files

PAPER = Path(__file__).parents[2] / "studies" / "paper.yaml"
WIDTH, DEPTH = 24, 12
SMALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "imagenet": ({"size": 32}, {"batch_size": 256, "warmup_epochs": 1.0}),
    "ade20k": ({"size": 32}, {"batch_size": 2, "warmup_steps": 2, "test": {"stride": 24}}),
    "coco": ({"size": 32}, {"batch_size": 2, "warmup_steps": 2}),
    "shapenetpart": ({"points": 64, "groups": 8, "neighbours": 6}, {"batch_size": 8, "warmup_epochs": 1.0}),
    "partnet": ({"points": 64, "groups": 8, "neighbours": 6}, {"batch_size": 8, "warmup_epochs": 1.0}),
    "audioset": ({"frames": 64, "mels": 32}, {"batch_size": 4, "warmup_epochs": 1.0}),
    "kinetics400": ({"frames": 4, "stride": 2, "size": 32}, {"batch_size": 2, "warmup_epochs": 1.0}),
}
"""What each task's samples and training are cut down to, beside `epochs: 2`.

A batch of pictures is larger than `execution.micro_batch`, the rows of a draw of mixup and those of batch norm, as in the file.
"""


def weights(folder: Path) -> None:
    """The files that the study names, each in the layout that its source publishes."""
    folder.mkdir()
    made = {
        "mae_pretrain_vit_base.pth": files.mae(patch=16, places=4, width=WIDTH, depth=DEPTH),
        "audiomae_pretrain_vit_base.pth": files.mae(channels=1, patch=16, places=8, width=WIDTH, depth=DEPTH, seed=1),
        "videomae_pretrain_vit_base.pth": {"model": files.videomae(patch=16, width=WIDTH, depth=DEPTH, seed=2)},
        "pointmae_pretrain_vit_base.pth": files.point_mae(width=WIDTH, depth=DEPTH, seed=3),
        "pointmae_pretrain_vit_base_20.pth": files.vit(width=WIDTH, depth=DEPTH, seed=4),  # as in the zoo of M2PT: timm's keys
        "pointmae_pretrain_vit_base_220.pth": {"state_dict": files.vit(width=WIDTH, depth=DEPTH, seed=5)},
    }
    for name, content in made.items():
        torch.save(content, folder / name)


def cut_down() -> dict[str, Any]:
    study: dict[str, Any] = YAML(typ="safe").load(PAPER)
    study["model"]["width"] = WIDTH
    assert study["tasks"].keys() == SMALL.keys()
    for name, (form, training) in SMALL.items():
        task = study["tasks"][name]
        task["input"] = task.get("input", {}) | form
        task["finetune"] = task.get("finetune", {}) | {"epochs": 2} | training
    study["execution"] |= {"devices": "cpu", "loader_workers": 0}
    return study


@pytest.mark.rehearsal
@pytest.mark.timeout(2400)
def test_the_papers_study_runs_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    weights(Path("weights"))
    for name, task in (study := cut_down())["tasks"].items():
        getattr(published_files, task["dataset"])(Path("datasets") / name)
    with Path("paper.yaml").open("w") as file:
        YAML().dump(study, file)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "study", "--study", "paper.yaml"],
        env=os.environ | {"PYTHONPATH": str(PAPER.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]

    plan = resolve(load_study("paper.yaml"))
    assert len(plan.runs) == 243
    assert plan.counts() == {"complete": 243}
    folders = {spec: folder for spec in plan.runs if (folder := plan.run_dir(spec)) is not None}
    for spec, folder in folders.items():
        record = read_record(folder, FinetuneRecord)
        assert 0 <= record.test_score <= 100
        if spec.pathway is None:
            continue
        assert record.merge.max_logit_difference < 1e-2, folder.name
        assert record.merge.parameters == record.merge.plain_parameters
        assert len(record.scales) == DEPTH * len(spec.pathway.layers)
        moved = [value for value in record.scales.values() if value != float(np.float32(spec.pathway.scale_init))]
        assert bool(moved) == spec.pathway.scale_trainable, folder.name

    with Path("build/paper/reports/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"complete"}
    assert {part for row in rows for part in row["parts"].split()} == {part["name"] for part in study["parts"]}
    assert json.loads(Path("build/paper/reports/metrics.json").read_text())
    with Path("build/paper/reports/published.csv").open() as file:
        beside = [row for row in csv.DictReader(file) if row["mean"]]
    assert len(beside) > 30
    assert not any(row["difference"] for row in beside), "no run of this size is the paper's"
    assert all("model.width: 24 [768]" in row["differs"] for row in beside if row["auxiliary"] != "random")
