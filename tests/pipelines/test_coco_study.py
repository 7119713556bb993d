"""The eight scores of COCO, in small: planned, checked, trained, merged, scored and reported by the commands of a user."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from m2pt.config.study_file import load_study
from m2pt.runs.record import FinetuneRecord, read_record
from pipelines.planning.plan import resolve
from tests.pipelines import published_files
from tests.pipelines.test_paper_rehearsal import DEPTH, PAPER, cut_down, weights

RUNS = 2 * 3 * 2
"""Two settings of the target, three methods, two seeds."""


def m2pt(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments, "--study", "coco.yaml"],
        env=os.environ | {"PYTHONPATH": str(PAPER.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.mark.patient
@pytest.mark.timeout(1200)
def test_coco_runs_from_plan_to_report_with_the_papers_scores_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    weights(Path("weights"))
    published_files.coco(Path("datasets/coco"))
    study = cut_down()
    study |= {"tasks": {"coco": study["tasks"]["coco"]}, "parts": []}
    study["sweep"] |= {"targets": ["coco"], "auxiliaries": ["point"], "seeds": [0, 1], "settings": ["pretrained", "scratch"]}
    study["sweep"]["methods"] = ["baseline", "pathway", "random_auxiliary"]
    study["encoders"] = {"published": study["encoders"]["published"]}
    with Path("coco.yaml").open("w") as file:
        YAML().dump(study, file)

    assert "the paper's 50 is of another run" in m2pt("plan")
    m2pt("study")
    plan = resolve(load_study("coco.yaml"))
    assert plan.counts() == {"complete": RUNS}
    for spec in plan.runs:
        record = read_record(plan.run_dir(spec), FinetuneRecord)
        assert {"ap_box", "ap_mask", "ap_box_50", "ap_mask_75"} <= record.test_scores.keys()
        assert record.test_score == record.test_scores["ap_box"]
        assert record.test_samples_sha256 is None, "average precision is no mean over pictures"
        if spec.pathway is not None:
            assert record.merge.max_logit_difference < 1e-2
            assert record.merge.parameters == record.merge.plain_parameters
            assert len(record.scales) == 4 * DEPTH and all(record.scales.values())

    folder = plan.run_dir(plan.runs[0])
    m2pt("export", str(folder), "--to", "safetensors", "--out", "out")
    told = Path("out/README.md").read_text()
    assert "objects (score, class, box and mask, the best first) of 2 classes" in told and "m2pt predict" not in told
    known: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", told, re.DOTALL)[0].replace("FOLDER", "out"), known)
    assert known["model"](torch.rand(1, 3, 32, 32)).shape == (1, 100, 6 + 28 * 28)

    (home,) = Path("build").glob("*/reports")
    with (home / "published.csv").open() as file:
        rows = {(row["metric"], row["setting"], row["auxiliary"]): row for row in csv.DictReader(file)}
    theirs = {
        ("ap_box", "pretrained", ""): 47.3, ("ap_mask", "pretrained", ""): 42.4,
        ("ap_box", "pretrained", "point"): 50.0, ("ap_mask", "pretrained", "point"): 44.0,
        ("ap_box", "scratch", ""): 46.2, ("ap_mask", "scratch", ""): 40.5,
        ("ap_box", "scratch", "point"): 48.9, ("ap_mask", "scratch", "point"): 42.2,
    }  # fmt: skip
    for place, score in theirs.items():
        row = rows[place]
        assert (row["dataset"], row["seeds"]) == ("coco", "2") and float(row["mean"]) >= 0
        assert f"the paper's {score:g} is of another run" in row["differs"], "no run of this size is the paper's"
    assert {("ap_box", "pretrained", "random"), ("ap_mask", "scratch", "random")} <= rows.keys()
    assert json.loads((home / "metrics.json").read_text())
    page = (home / "report.md").read_text()
    assert "COCO box AP | COCO mask AP" in page
