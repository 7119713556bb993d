"""The report of a study with a target that is measured by mAP beside targets that are measured by accuracy."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from m2pt.analysis.sections.facts import Source
from m2pt.config.study_file import parse_study
from m2pt.files import documents
from m2pt.runs.folder import HISTORY
from m2pt.runs.identity import derived_seed
from m2pt.runs.record import FinetuneRecord, read_record, write_record
from m2pt.runs.spec import EncoderKey, RunSpec
from pipelines.planning.grid import data_used, part_specs, pretrain_specs, run_specs
from pipelines.planning.run_maker import Fingerprints
from pipelines.reporting import report
from tests.analysis import synthetic

STUDY = """
study: mixed
data: {embedded: {}}
model: {width: 32, depth: 2, heads: 2}
encoders: {published: {kind: file, paths: {image: i.pth, audio: a.pth, point: p.pth}}}
tasks:
  tags: {modality: audio, dataset: audioset, goal: tagging, path: audioset, recipes: {full: audiomae-audioset-20k}}
sweep:
  {seeds: [0, 1, 2, 3], targets: [image, point, tags], auxiliaries: [image, audio, point],
   methods: [baseline, pathway, random_auxiliary, lora], target_encoder: published, auxiliary_encoder: published}
parts:
  - {name: usual, set: {}}
  - {name: qkv, set: {pathway.layers: [attn.qkv]}}
"""
GAINS = {"pathway": 3.0, "random_auxiliary": 1.0, "lora": 0.5}


def score(spec: RunSpec) -> float:
    noise = np.random.default_rng(derived_seed(spec.seed, spec.name)).normal(0, 0.5)
    changed = spec.pathway is not None and spec.pathway.layers == ("attn.qkv",)
    return round(35 + 30 * (spec.target != "tags") + GAINS.get(spec.method, 0.0) - changed + float(noise), 1)


def _complete(planned: synthetic.Planned, spec: RunSpec) -> None:
    """Write a run as complete; of tagging, with what such runs record."""
    run_dir, value = synthetic.write_run(planned, spec, score(spec)), score(spec)
    if spec.metric == "accuracy":
        return
    record = read_record(run_dir, FinetuneRecord)
    lines = [json.loads(line) for line in (run_dir / HISTORY).read_text().splitlines()]
    renamed = [{key.replace("val/accuracy", "val/map"): value for key, value in line.items()} for line in lines]
    documents.write_atomic(run_dir / HISTORY, "".join(json.dumps(line) + "\n" for line in renamed).encode())
    write_record(run_dir, record.model_copy(update={"metric": "map", "test_scores": {"map": value}, "confusion": None}))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, study = tmp_path_factory.mktemp("mixed"), parse_study(STUDY, "study.yaml")
    keys = [EncoderKey("published", modality) for modality in ("image", "audio", "point")]
    prints = Fingerprints(dict.fromkeys(data_used(study), "d" * 64), dict.fromkeys(keys, "e" * 64))
    planned = synthetic.Planned(study, run_specs(study, prints), pretrain_specs(study, prints), root / "runs", root / "encoders")
    for spec in planned.specs:
        _complete(planned, spec)
    source = Source(study, planned.specs, planned.runs, planned.pretraining, planned.encoders, part_specs(study, prints))
    return report.render(source, root / "reports").parent


def _section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_report_says_what_each_target_is_measured_by(out: Path) -> None:
    text = (out / "report.md").read_text()
    lead = text.partition("\n## ")[0]
    assert "test scores (accuracy of image and point; mAP of tags) in percent" in lead
    assert "points of accuracy and of mAP are never averaged with each other" in lead
    for title in ("Gains", "Score"):
        assert "| tags (mAP) |" in _section(text, title)
        assert "| image (accuracy) |" in _section(text, title)


def test_a_task_reads_data_of_its_own_beside_those_that_are_made_here(out: Path) -> None:
    rows = _section((out / "report.md").read_text(), "Data and settings").splitlines()
    assert [row.split("|")[3].strip() for row in rows if row.startswith(("| image |", "| tags |"))] == [
        "made here (embedded)",
        "the user's own",
    ]


def test_every_claim_is_about_one_measure_and_has_its_unit(out: Path) -> None:
    claims = _section((out / "report.md").read_text(), "What it says").partition("<details>")[0]
    lines = [line for line in claims.splitlines() if re.match(r"\d+\. ", line)]
    averages = [line for line in lines if " points" in line and "on average over" in line]
    assert sum("measured by accuracy" in line for line in averages) == sum("measured by mAP" in line for line in averages) > 0
    for line in averages:
        assert ("points of mAP" in line) == ("measured by mAP" in line), line
    (both,) = [line for line in lines if "no auxiliary" in line]
    assert re.search(r"points on the targets measured by accuracy, [^,]+ points of mAP on the targets measured by mAP", both)
    pairs = [line for line in lines if "single pair" in line]
    assert len(pairs) == 2, "the median of one measure each"
    assert ["points of mAP" in line for line in pairs] == ["measured by mAP" in line for line in pairs]


def test_nothing_is_averaged_over_targets_of_several_measures_and_the_tables_say_so(out: Path) -> None:
    text = (out / "report.md").read_text()
    for title in ("Methods", "Ablations"):
        section = _section(text, title)
        assert "The targets are measured by accuracy and mAP, whose points have no common mean" in section
    (row,) = [line for line in _section(text, "Methods").splitlines() if line.startswith("| `lora`")][:1]
    assert row.split("|")[2:6] == [" – "] * 4
    (row,) = [line for line in _section(text, "Ablations").splitlines() if line.startswith("| only attn.qkv")][:1]
    assert row.split("|")[5:9] == [" – "] * 4
    gains = json.loads((out / "gains.json").read_text())
    splits = [split for condition in gains.values() for split in condition.values() if isinstance(split, dict)]
    assert splits and not any("average_over_pairs" in split for split in splits)
