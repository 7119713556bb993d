"""One run from start to finish on real files, by the command and by the long-lived worker."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from m2pt import job
from m2pt.config import MODALITIES, AudioInput, EmbeddedData, FinetuneConfig, InputsConfig, RivalsConfig
from m2pt.data import decoded
from m2pt.data.embedded import write_embedded
from m2pt.data.fingerprints import fingerprint
from m2pt.files import documents
from m2pt.files.leases import leased
from m2pt.modalities.image import embedded
from m2pt.runs import environment
from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import (
    ATTEMPT,
    CHECKPOINT,
    EXECUTION,
    FAILURE,
    HISTORY,
    LOCK,
    LOG,
    MERGED,
    RECORD,
    TIMES,
    create_run,
    read_history,
    read_spec,
    run_state,
)
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, read_inputs, write_inputs
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.source import code_sha256
from m2pt.runs.spec import AuxiliaryData
from m2pt.training.sources import read_split
from tests.run_records import unsealed
from tests.specs import run_spec
from tests.waiting import PATIENCE_S, comes_true

RECIPE = FinetuneConfig(samples=20, epochs=2, batch_size=10, warmup_steps=1)


def scratch_baseline(recipe):
    nothing = {"pathway": None, "target_weights": None, "auxiliary_weights": None}
    return run_spec(method="baseline", auxiliary="", setting="scratch", finetune=recipe, **nothing)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder") / "image"
    embedded.write(folder, EmbeddedData(pretrain=20, train=40, val=20, test=20))
    return folder


def prepare(folder, images, spec=None, **inputs):
    """A run's folder as the sweep makes it: a baseline from scratch."""
    cache = images.parent / "cache"
    spec = spec or scratch_baseline(RECIPE)
    spec = spec.model_copy(update={"data_sha256": fingerprint(images, cache)})
    run_dir = create_run(folder, spec)
    write_inputs(run_dir, JobInputs(**{"data": str(images), "cache": str(cache)} | inputs))
    return run_dir


def test_a_run_leaves_its_record_and_its_ledger(tmp_path, images):
    run_dir = prepare(tmp_path, images)
    assert run_state(run_dir) == "missing"
    assert job.run(run_dir) is None
    assert run_state(run_dir) == "complete"
    record = read_record(run_dir, FinetuneRecord)
    assert record.run_id == run_dir.name == run_id(read_spec(run_dir))
    assert record.val_samples == record.test_samples == 20
    assert not (run_dir / CHECKPOINT).exists()
    (attempt,) = documents.read_json(run_dir / EXECUTION)["attempts"]
    assert attempt["device"] == "cpu"
    assert attempt["threads"] == 1
    assert 0 < attempt["seconds"]["train"] < attempt["seconds"]["total"]
    assert {"python", "torch", "timm", "m2pt"} <= set(attempt["versions"])
    assert attempt["devices"] == 1
    assert attempt["energy_joules"] is None or attempt["energy_joules"] >= 0
    assert attempt["inference"]["batch"] == 8
    assert attempt["inference"]["latency_ms"] > 0 < attempt["inference"]["plain_latency_ms"]
    assert not (run_dir / ATTEMPT).exists()
    times = documents.read_lines(run_dir / TIMES)
    assert [line["epoch"] for line in times] == [1, 2]


@pytest.mark.parametrize("deterministic", [True, False])
def test_algorithms_may_differ_only_where_the_study_lets_them(tmp_path, images, deterministic):
    run_dir = prepare(tmp_path, images, deterministic=deterministic)
    try:
        assert job.run(run_dir) is None
        assert torch.are_deterministic_algorithms_enabled() is deterministic
    finally:
        torch.use_deterministic_algorithms(True)
    (attempt,) = documents.read_json(run_dir / EXECUTION)["attempts"]
    assert attempt["deterministic"] is deterministic


def test_the_record_says_what_the_plan_knows_of_the_lineage(tmp_path, images):
    run_dir = prepare(tmp_path, images, lineage="apart")
    assert job.run(run_dir) is None
    assert read_record(run_dir, FinetuneRecord).lineage == "apart"
    document = unsealed(documents.read_json(run_dir / RECORD))
    del document["lineage"]  # as older code wrote it
    documents.write_json(run_dir / RECORD, document)
    assert read_record(run_dir, FinetuneRecord).lineage is None


def test_a_complete_run_is_not_run_again(tmp_path, images):
    run_dir = prepare(tmp_path, images)
    job.run(run_dir)
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    assert job.run(run_dir) is None
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


def test_changed_data_fail_the_run_with_one_sentence(tmp_path, images):
    spec = scratch_baseline(RECIPE)
    run_dir = prepare(tmp_path, images, spec)
    picture = next(images.rglob("*.png"))
    content = picture.read_bytes()
    try:
        picture.write_bytes(content[:-1])
        write_inputs(run_dir, read_inputs(run_dir).model_copy(update={"cache": str(tmp_path / "cache")}))
        error = job.run(run_dir)
    finally:
        picture.write_bytes(content)
    assert "the data changed since the run was planned" in error
    assert run_state(run_dir) == "failed"
    assert documents.read_json(run_dir / FAILURE) == {"error": error, "details": "", "kind": "error"}


def test_a_run_does_not_begin_beside_runs_of_another_environment(tmp_path, images):
    """Whatever started it: a worker may have imported other code, or see another device, than who gave the order."""
    there = environment.facts("cuda", "A card", 1).compared
    run_dir = prepare(tmp_path, images, beside=(there,))
    assert "device cuda (A card) (here cpu" in job.run(run_dir)
    assert run_state(run_dir) == "failed"
    here = environment.facts("cpu", environment.processor_name(), 1).compared
    write_inputs(run_dir, read_inputs(run_dir).model_copy(update={"beside": (here,)}))
    assert job.run(run_dir) is None
    (attempt,) = read_attempts(run_dir)  # what was refused cost nothing
    assert attempt.compared == here
    assert attempt.code_sha256 == code_sha256()


def test_a_failed_run_is_complete_after_a_good_second_attempt(tmp_path, images):
    run_dir = prepare(tmp_path, images, device="cuda:9")
    assert "CUDA" in job.run(run_dir)
    assert run_state(run_dir) == "failed"
    write_inputs(run_dir, read_inputs(run_dir).model_copy(update={"device": "cpu"}))
    assert job.run(run_dir) is None
    assert run_state(run_dir) == "complete"
    assert not (run_dir / FAILURE).exists()


def test_an_unexpected_fault_is_one_sentence_with_the_traceback_in_the_log(tmp_path, images, monkeypatch):
    run_dir = prepare(tmp_path, images)

    def broken(*arguments):
        raise ZeroDivisionError("a fault\nof ours")

    monkeypatch.setattr(job, "finetune", broken)
    error = job.run(run_dir)
    assert error.startswith(f"{run_dir.name}: ZeroDivisionError: a fault of ours")
    assert "\n" not in error
    assert "Traceback" in (run_dir / LOG).read_text()
    (attempt,) = documents.read_json(run_dir / EXECUTION)["attempts"]
    assert attempt["seconds"]["total"] > 0  # it cost time all the same
    assert attempt["inference"] is None


def test_a_run_waits_for_its_lock_and_then_sees_that_it_is_complete(tmp_path, images):
    run_dir = prepare(tmp_path, images)
    with leased(run_dir / LOCK):
        process = subprocess.Popen([sys.executable, "-m", "m2pt.job", str(run_dir)], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=6)
        assert not (run_dir / HISTORY).exists()
        documents.write_json(run_dir / RECORD, {"run_id": run_dir.name})
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "complete" in output
    assert not (run_dir / HISTORY).exists()


def test_the_command_refuses_a_folder_that_is_no_run(tmp_path):
    done = subprocess.run([sys.executable, "-m", "m2pt.job", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "spec.json: is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def worker():
    process = subprocess.Popen(
        [sys.executable, "-m", "m2pt.job", "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert json.loads(process.stdout.readline()) == {"ready": True}
    yield process
    process.kill()
    process.wait()


def ask(worker, run_dir):
    worker.stdin.write(json.dumps({"run_dir": str(run_dir)}) + "\n")
    return json.loads(worker.stdout.readline())


def test_a_worker_does_many_runs_and_survives_a_failing_one(tmp_path, images, worker):
    good = [prepare(tmp_path / str(index), images) for index in range(2)]
    bad = prepare(tmp_path / "bad", images, device="cuda:9")
    assert ask(worker, good[0]) == {"run_dir": str(good[0]), "status": "complete", "error": None}
    answer = ask(worker, bad)
    assert answer["status"] == "failed"
    assert "CUDA" in answer["error"]
    assert ask(worker, good[1])["status"] == "complete"
    first, second = (folder / HISTORY for folder in good)
    assert first.read_bytes() == second.read_bytes()
    (attempt,) = documents.read_json(good[0] / EXECUTION)["attempts"]
    assert attempt["peak_memory_bytes"] is None or attempt["peak_memory_bytes"] > 100 * 2**20  # not every system tells it


def test_a_worker_leaves_in_the_middle_of_a_run_when_its_parent_is_gone(tmp_path, images, worker):
    spec = scratch_baseline(FinetuneConfig(samples=40, epochs=2000, batch_size=10))
    run_dir = prepare(tmp_path, images, spec)
    worker.stdin.write(json.dumps({"run_dir": str(run_dir)}) + "\n")
    assert comes_true(lambda: (run_dir / CHECKPOINT).exists())
    worker.stdin.close()
    assert worker.wait(timeout=PATIENCE_S) == 0
    assert run_state(run_dir) == "interrupted"


def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_record(tmp_path, images):
    recipe = FinetuneConfig(samples=40, epochs=40, batch_size=10, warmup_steps=1)
    spec = scratch_baseline(recipe)
    whole, killed = prepare(tmp_path / "whole", images, spec), prepare(tmp_path / "killed", images, spec)
    assert job.run(whole) is None
    process = subprocess.Popen([sys.executable, "-m", "m2pt.job", str(killed)])
    assert comes_true(lambda: len(read_history(killed)) >= 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run_state(killed) == "interrupted"
    assert job.run(killed) is None
    first, second = documents.read_json(killed / EXECUTION)["attempts"]
    assert (first["interrupted"], first["device"], first["resumed_from_epoch"]) == (True, "cpu", 0)
    assert second["resumed_from_epoch"] >= 2
    assert "interrupted" not in second
    for name in (RECORD, HISTORY, MERGED):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    root = tmp_path_factory.mktemp("embedded")
    write_embedded(root / "data", EmbeddedData(pretrain=10, train=20, val=10, test=10), root / "cache")
    return root / "data"


def test_a_run_that_trains_with_the_auxiliarys_samples_reads_them_and_fails_if_they_are_not_those(tmp_path, everything):
    def joint(sha256):
        return run_spec(
            method="joint_training", setting="scratch", finetune=RECIPE, pathway=None, rivals=RivalsConfig(),
            target_weights=None, auxiliary_weights=None, auxiliary_data=AuxiliaryData(input=AudioInput(), sha256=sha256),
        )  # fmt: skip

    sounds = everything / "audio"
    right = joint(fingerprint(sounds, everything.parent / "cache"))
    run_dir = prepare(tmp_path, everything / "image", right, auxiliary_data=str(sounds))
    assert job.run(run_dir) is None
    assert read_record(run_dir, FinetuneRecord).train_samples == 20
    other = prepare(tmp_path, everything / "image", joint("f" * 64), auxiliary_data=str(sounds))
    assert "audio: the data changed since the run was planned" in job.run(other)
    write_inputs(other, read_inputs(other).model_copy(update={"auxiliary_data": None}))
    assert "the folder of the auxiliary's samples is not given in local/inputs.json." in job.run(other)


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_run_changes_the_samples_that_its_worker_keeps_for_the_next(tmp_path, everything, modality):
    config = getattr(InputsConfig(), modality)
    spec = scratch_baseline(RECIPE).model_copy(update={"target": modality, "modality": modality, "input": config})
    run_dir = prepare(tmp_path, everything / modality, spec)
    assert job.run(run_dir) is None
    spec, inputs = read_spec(run_dir), read_inputs(run_dir)
    for split in ("train", "val", "test"):
        kept = read_split(modality, spec, split, inputs)
        read = decoded.load(modality, everything / modality, split, config, spec.data_sha256, tmp_path / "another cache")
        assert kept.x.equal(read.x) and kept.y.equal(read.y)


def test_a_worker_reads_data_anew_that_were_changed_between_two_runs(tmp_path, images):
    """Also where size and time of the changed file are as before."""
    folder = tmp_path / "image"
    shutil.copytree(images, folder)
    first = prepare(tmp_path / "runs", folder)
    assert job.run(first) is None
    one, other = sorted((folder / "test").rglob("*.png"))[:2]
    times = one.stat().st_atime_ns, one.stat().st_mtime_ns
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=times)
    second = prepare(tmp_path / "runs", folder)
    assert second != first
    assert job.run(second) is None
    kept = read_split("image", read_spec(second), "test", read_inputs(second))
    assert kept.x[0].equal(kept.x[1]), "the first picture is the second's copy now"
    digests = {read_record(run_dir, FinetuneRecord).samples_sha256 for run_dir in (first, second)}
    assert len(digests) == 2
