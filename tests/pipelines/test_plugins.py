"""A modality, a data set and a method of another package: from `m2pt init` to the report, with nothing changed in m2pt."""

import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from m2pt.config.plain_yaml import read_yaml
from tests import plugins
from tests.pipelines.execution.slurm_cluster import MISSING, slurm_cluster

ROOT = Path(__file__).parents[2]
FORMS = {"slow": 2, "fast": 5, "flat": 0}

EVERYWHERE = ("baseline", "pathway", "random_auxiliary", "random_signs")

SMALL = """
study: five
plugins: [M2PT_timeseries]
data: {root: data, embedded: {pretrain: 40, train: 40, val: 20, test: 20}}
inputs: {timeseries: {length: 48}}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae}, sup: {kind: labels, start: mae}}
pretrain: {mae: {batch_size: 16, steps: 4}, labels: {batch_size: 16, steps: 4}}
finetune: {batch_size: 10, samples: 40, epochs: 1}
sweep:
  seeds: [0, 1]
  targets: [TARGETS]
  auxiliaries: [timeseries, image]
  methods: [baseline, pathway, random_auxiliary, random_signs, METHODS]
  auxiliary_encoder: sup
execution: {devices: cpu}
"""

TOY = """
tasks:
  toy:
    modality: timeseries
    dataset: ucr
    path: ../toy
    holdout: 0.2
    recipes: {full: ucr}
    finetune: {epochs: 1, warmup_epochs: 0.0}
    input: {length: 48, patch: 6}
"""


def m2pt(
    *arguments: str, site: Path | None, cwd: Path, variables: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """A command in a folder, with the packages of `site` or without any."""
    paths = os.pathsep.join([*([str(site)] if site else []), str(ROOT)])
    env = {**variables, "PYTHONPATH": paths, "PREFECT_HOME": str(cwd / "prefect")}
    return subprocess.run([sys.executable, "-m", "pipelines", *arguments], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The worked example, as pip installs it."""
    (tmp_path / "build").mkdir()
    return plugins.install_example(tmp_path / "site", tmp_path / "build")


def gestures(folder: Path) -> None:
    draw = random.Random(0)
    for name, pace in FORMS.items():
        (folder / name).mkdir(parents=True)
        for number in range(16):
            steps, start = draw.randint(60, 120), draw.uniform(0, 6)
            values = [math.sin(2 * math.pi * pace * step / steps + start) + draw.gauss(0, 0.2) for step in range(steps)]
            (folder / name / f"{name}{number:02}.tsv").write_text("".join(f"{value:.3f}\n" for value in values))


def toy(folder: Path) -> None:
    """A data set as the UCR archive has them, with series of different lengths."""
    draw = random.Random(1)
    folder.mkdir()
    for name, count in (("TRAIN", 40), ("TEST", 20)):
        rows = []
        for number in range(count):
            values = [f"{math.sin((1 + 2 * (number % 2)) * step / 12):.4f}" for step in range(draw.randint(80, 99))]
            rows.append("\t".join(["-1" if number % 2 else "1", *values, *["NaN"] * (100 - len(values))]))
        (folder / f"Toy_{name}.tsv").write_text("\n".join(rows) + "\n")


@pytest.mark.patient
@pytest.mark.timeout(1800)
def test_somebodys_series_from_init_to_the_report(site: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    gestures(work / "gestures")
    made = m2pt("init", "--target", "gestures", "--auxiliary", "image", "--minutes", "0.2", site=site, cwd=work)
    assert made.stdout.startswith("gestures: timeseries, 3 classes;"), made.stderr
    study = work / "study.yaml"
    study.write_text(study.read_text().replace("random_auxiliary]", "random_auxiliary, random_signs]"))
    done = m2pt("study", "--study", "study.yaml", site=site, cwd=work)
    assert done.returncode == 0, done.stderr

    page = (work / "build" / "gestures" / "reports" / "report.md").read_text()
    (row,) = re.findall(r"^\| m2pt-timeseries \| 0\.1\.0 \| `m2pt_timeseries` \| \d+ \| `([0-9a-f]{12})` \|$", page, re.MULTILINE)
    run_dirs = sorted((work / "runs" / "gestures").glob("gestures-*"))
    assert {"baseline", "pathway", "random_signs"} <= {
        json.loads((run / "spec.json").read_text())["spec"]["method"] for run in run_dirs
    }
    codes = [json.loads((run / "spec.json").read_text())["spec"]["plugins"] for run in run_dirs]
    assert all(code["sha256"].startswith(row) for (code,) in codes)

    schema = Draft202012Validator(json.loads(m2pt("check", "--schema", site=site, cwd=work).stdout))
    assert [error.message for error in schema.iter_errors(read_yaml(study.read_text(), "study.yaml"))] == []
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", study.read_text())
    assert named and json.loads((work / named[1]).read_text()) == schema.schema
    run = str(run_dirs[0].relative_to(work))
    told = m2pt("predict", run, "gestures/slow/slow01.tsv", "--json", site=site, cwd=work)
    assert set(FORMS) >= set(re.findall(r'"class": "(\w+)"', told.stdout)) != set(), told.stdout + told.stderr
    assert m2pt("verify", "--study", "study.yaml", site=site, cwd=work).returncode == 0
    out = m2pt("export", run, "--to", "onnx", "--out", "exported", site=site, cwd=work)
    assert out.returncode == 0, out.stderr

    _without_the_plugin(work, run)
    (site / "m2pt_timeseries" / "augment.py").open("a").write("# changed\n")
    plan = m2pt("plan", "--study", "study.yaml", site=site, cwd=work).stdout
    assert f"{len(run_dirs)} missing" in plan, "changed code makes other runs"
    told = m2pt("predict", run, "gestures/slow/slow01.tsv", site=site, cwd=work)
    assert re.search(r"was planned with the plugin m2pt-timeseries 0\.1\.0 \(code \w{10}\), and", told.stderr)


def _without_the_plugin(work: Path, run: str) -> None:
    checked = m2pt("check", "study.yaml", site=None, cwd=work)
    assert checked.stdout.splitlines()[0].endswith(
        "plugins[0]: m2pt-timeseries is not installed here, so what it adds is unknown; install it."
    )
    told = m2pt("predict", run, "gestures/slow/slow01.tsv", site=None, cwd=work)
    assert (told.returncode, told.stderr) == (
        2,
        f"m2pt: {run}/spec.json: needs the plugin m2pt-timeseries 0.1.0, which is not installed here; install it.\n",
    )


@pytest.mark.patient
@pytest.mark.timeout(1800)
def test_its_encoders_are_pretrained_and_serve_every_other_modality(site: Path, tmp_path: Path) -> None:
    work = written(tmp_path / "work", "timeseries, image", "own_lineage, joint_training")
    done = m2pt("study", "--study", "study.yaml", site=site, cwd=work)
    assert done.returncode == 0, done.stderr + done.stdout
    assert (work / "build" / "five" / "reports" / "figures" / "reconstructions-timeseries-mae.png").is_file()
    specs = [json.loads(path.read_text())["spec"] for path in (work / "runs" / "five").glob("*/spec.json")]
    assert {spec["method"] for spec in specs} == {*EVERYWHERE, "own_lineage", "joint_training"}
    for spec in specs:
        uses = spec["method"] == "random_signs" or "timeseries" in (spec["target"], spec["auxiliary"])
        assert bool(spec.get("plugins")) == uses


ON_SLURM = pytest.mark.skipif(bool(MISSING) or find_spec("submitit") is None, reason=f"not installed: {', '.join(MISSING)}")


@pytest.mark.patient
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["ray", pytest.param("slurm", marks=ON_SLURM)])
def test_workers_elsewhere_find_it_too(site: Path, tmp_path: Path, engine: str) -> None:
    work = written(tmp_path / "work", "timeseries, toy", "lora")
    with slurm_cluster() if engine == "slurm" else nullcontext() as cluster:
        variables = cluster.environment if cluster else os.environ
        for _ in range(4 if cluster else 1):  # a call submits what can start: encoders, those that go on from them, runs
            done = m2pt("study", "--study", "study.yaml", "--engine", engine, site=site, cwd=work, variables=variables)
            assert done.returncode == 0, done.stderr + done.stdout
            if cluster:
                cluster.work_off()
    records = list((work / "runs" / "five").glob("toy-*/record.json"))
    assert len(records) == 2 * (2 + 3)


def written(work: Path, targets: str, methods: str) -> Path:
    """A study in a folder of its own."""
    work.mkdir()
    toy(work / "toy")
    text = SMALL.replace("METHODS", methods).replace("TARGETS", targets)
    (work / "study.yaml").write_text(text + TOY if "toy" in targets else text)
    return work
