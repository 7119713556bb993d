"""The shipped study of ConvNets, whole but in small: from its plan to its report, and its models out again."""

import csv
from pathlib import Path

import pytest
import yaml

from m2pt.config.study_file import load_study, parse_study
from m2pt.export.formats import WRITERS, export
from m2pt.inference.trained import trained
from m2pt.methods import METHODS
from m2pt.runs.record import FinetuneRecord, read_record
from pipelines.__main__ import main
from pipelines.planning.grid import pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints

SHIPPED = Path(__file__).parents[2] / "studies" / "convnet.yaml"
SMALL = {
    "data": {"root": "data", "embedded": {"seed": 0, "pretrain": 64, "train": 64, "val": 32, "test": 32}},
    "pretrain": {"labels": {"steps": 20, "batch_size": 32, "warmup_steps": 2, "learning_rate": 5e-3}},
    "finetune": {"samples": 32, "epochs": 2, "batch_size": 16, "warmup_steps": 1},
}


def test_the_shipped_study_pairs_every_modality_with_every_other_one() -> None:
    study = parse_study(SHIPPED.read_text(encoding="utf-8"), str(SHIPPED))
    prints = Fingerprints(dict.fromkeys(study.sweep.targets, "d" * 64), {})
    runs = run_specs(study, prints)
    assert {spec.modality for spec in runs} == {"image", "audio", "point", "video"} and len(runs) == 2 * 4 * (1 + 3 + 1 + 1)
    assert len(pretrain_specs(study, prints)) == 8
    assert {spec.model.family for spec in runs} == {"unireplknet"} and not any(METHODS[spec.method].needs for spec in runs)


@pytest.mark.patient
def test_the_shipped_study_runs_in_small_to_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8")) | SMALL
    Path("convnet.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert main(["check", "convnet.yaml"]) == 0
    assert main(["plan", "--study", "convnet.yaml"]) == 0
    assert main(["study", "--study", "convnet.yaml"]) == 0
    runs = [path.parent for path in Path("runs/convnet").glob("*-from-*/record.json")]
    runs += [path.parent for path in Path("runs/convnet").glob("*-baseline-*/record.json")]
    records = [read_record(run_dir, FinetuneRecord) for run_dir in runs]
    assert len(records) == 48
    assert all(record.merge is not None and record.merge.max_logit_difference <= 1e-5 for record in records)
    assert all(record.merge.parameters == record.merge.plain_parameters for record in records if record.merge)
    report = Path("build/convnet/reports/report.md").read_text(encoding="utf-8")
    assert "48 complete" in report and "a ConvNet encoder that was pretrained on another" in report
    assert "| conv_dw | se | mlp.fc1 | mlp.fc2 |" in report and "attn." not in report
    with Path("build/convnet/reports/results.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 48
    assert load_study("convnet.yaml").model.family == "unireplknet"
    run_dir = next(run_dir for run_dir in runs if "point-from-video-pathway" in run_dir.name)
    export(run_dir, Path("out"), "safetensors", WRITERS["safetensors"], "Nothing.")
    assert trained(Path("out")).model.state_dict().keys() == trained(run_dir).model.state_dict().keys()
