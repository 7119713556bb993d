"""What runs will read is decoded while the data are made: the same samples, and never at the price of the data."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from m2pt.config.study_file import load_study
from m2pt.data import decoded
from m2pt.data.fingerprints import CACHE
from m2pt.modalities.registry import SPECS
from m2pt.runs.inputs import JobInputs
from m2pt.training import sources
from pipelines.execution import decoding
from pipelines.execution.decoding import DecodingAhead, make_decoded
from pipelines.execution.progress import Display
from pipelines.planning.plan import resolve

SIZES = "data: {root: data, embedded: {seed: 0, pretrain: 12, train: 12, val: 10, test: 11}}\n"
STUDY = """study: ahead
encoders: {mae: {kind: mae, seed: 0}}
sweep:
  {seeds: [0], targets: [image, video], auxiliaries: [audio], methods: [baseline, pathway], settings: [pretrained],
  target_encoder: mae, auxiliary_encoder: mae}
"""
SLEEPING = "import time; time.sleep(100)"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY + SIZES)
    return resolve(load_study(Path("study.yaml")))


def children():
    """The processes that decode; other tests of this process may have left some of torch's."""
    every = psutil.Process().children(recursive=True)
    return [child for child in every if {"m2pt.data.ahead", SLEEPING} & set(child.cmdline())]


def test_every_split_that_a_job_asks_for_is_decoded_as_its_reader_does(plan, monkeypatch):
    monkeypatch.setattr(decoding, "_LEAST", 0)
    assert make_decoded(plan.study, plan, Path("data"), Display())
    assert not children()
    plan = resolve(plan.study)

    def undecoded(*_):
        raise AssertionError("this was not decoded ahead")

    monkeypatch.setattr(decoded, "_read", undecoded)
    sources._decoded.cache_clear()
    read = 0
    for spec in plan.specs:
        inputs = JobInputs(data=str(Path("data") / spec.modality), cache=str(CACHE))
        for split in ("pretrain", "val") if spec.kind == "pretrain" else ("train", "val", "test"):
            samples = sources.read_split(spec.modality, spec, split, inputs)
            expected = SPECS[spec.modality].small(Path("data") / spec.modality, split, spec.input)
            assert torch.equal(samples.x, expected.x)
            assert torch.equal(samples.y, expected.y)
            assert samples.classes == expected.classes
            read += 1
    assert read > 12
    assert not (decoding.LOGS / "decoding.log").read_text()


def test_for_few_samples_no_process_is_started(plan, monkeypatch):
    monkeypatch.setattr(decoding, "_COMMAND", ("/no/such/program",))
    assert make_decoded(plan.study, plan, Path("data"), Display())
    assert not list(CACHE.glob("*/*.safetensors"))


@pytest.mark.parametrize("program", ["import sys; sys.exit(1)", "import sys; sys.stdin.close(); import time; time.sleep(2)"])
def test_processes_that_fail_leave_the_decoding_to_the_runs(plan, monkeypatch, program):
    monkeypatch.setattr(decoding, "_LEAST", 0)
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", program))
    assert make_decoded(plan.study, plan, Path("data"), Display())
    assert not resolve(plan.study).missing_data


def test_where_no_process_can_be_started_the_data_are_made_all_the_same(plan, monkeypatch):
    monkeypatch.setattr(decoding, "_LEAST", 0)
    monkeypatch.setattr(decoding, "_COMMAND", ("/no/such/program",))
    assert make_decoded(plan.study, plan, Path("data"), Display())
    assert not resolve(plan.study).missing_data


def test_an_interrupt_ends_the_processes_at_once(plan, monkeypatch):
    monkeypatch.setattr(decoding, "_LEAST", 0)
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", SLEEPING))
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), DecodingAhead(plan.specs, plan.study.data.embedded, Path("data")) as ahead:
        ahead.made("image", "0" * 64)
        assert children()
        raise KeyboardInterrupt
    assert not children()
    assert time.monotonic() - begun < 20


def test_data_that_are_not_those_that_were_made_are_not_decoded(plan, monkeypatch):
    monkeypatch.setattr(decoding, "_LEAST", 0)
    make_decoded(plan.study, plan, Path("data"), Display())
    before = set(CACHE.glob("image-*/*.safetensors"))
    with DecodingAhead(resolve(plan.study).specs, plan.study.data.embedded, Path("data")) as ahead:
        ahead.made("image", "0" * 64)
    assert set(CACHE.glob("image-*/*.safetensors")) == before
    assert before


def test_data_of_which_a_folder_was_emptied_are_made_again(plan):
    make_decoded(plan.study, plan, Path("data"), Display())
    shutil.rmtree("data/image")
    Path("data/image").mkdir()
    done = subprocess.run([sys.executable, "-m", "pipelines", "data", "--study", "study.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not resolve(plan.study).missing_data
