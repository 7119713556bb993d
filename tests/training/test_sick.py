"""Runs whose device or readers fail: stopped with the cause, tried again where that is declared, never scored otherwise."""

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from m2pt import job
from m2pt.config import EmbeddedData, FinetuneConfig
from m2pt.data.fingerprints import fingerprint
from m2pt.modalities.image import embedded
from m2pt.models.model import Model
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import HISTORY, LOG, MERGED, RECORD, RunState, create_run, run_state
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.training import finetune, reading
from m2pt.training.reading import ReadersLostError, Reading
from tests.specs import run_spec
from tests.waiting import comes_true

RECIPE = FinetuneConfig(samples=20, epochs=2, batch_size=10, warmup_steps=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "image"
    embedded.write(folder, EmbeddedData(pretrain=20, train=40, val=20, test=20))
    return folder


def prepared(folder: Path, images: Path, recipe: FinetuneConfig = RECIPE, **inputs: object) -> Path:
    cache = images.parent / "cache"
    nothing = {"pathway": None, "target_weights": None, "auxiliary_weights": None}
    spec = run_spec(method="baseline", auxiliary="", setting="scratch", finetune=recipe, **nothing)
    run_dir = create_run(folder, spec.model_copy(update={"data_sha256": fingerprint(images, cache)}))
    write_inputs(run_dir, JobInputs.model_validate({"data": str(images), "cache": str(cache), **inputs}))
    return run_dir


def room_for(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let no training step compute more rows at once; returns how many each tried to."""
    forward, tried = Model.forward, []

    def limited(self: Model, x: torch.Tensor, *others: Any) -> Any:
        if self.training:
            tried.append(len(x))
            if len(x) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, x, *others)

    monkeypatch.setattr(Model, "forward", limited)
    return tried


def kept(run_dir: Path) -> list[bytes]:
    return [(run_dir / name).read_bytes() for name in (RECORD, HISTORY, MERGED)]


def test_too_little_memory_fails_a_run_unless_the_study_says_otherwise(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(monkeypatch, 4)
    run_dir = prepared(tmp_path, images)
    error = job.run(run_dir)
    way_out = "lower execution.micro_batch (of one target: micro_batch_of), or set execution.out_of_memory to halve"
    assert error == f"{run_dir.name}: the device ran out of memory; {way_out}."
    assert run_state(run_dir) == RunState.FAILED and read_failure(run_dir).kind == "error"


def test_halved_until_it_fits_a_run_is_that_of_the_smaller_micro_batch(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = prepared(tmp_path / "declared", images, micro_batch=2)
    assert job.run(declared) is None
    tried = room_for(monkeypatch, 4)
    halved = prepared(tmp_path / "halved", images, out_of_memory="halve")
    assert job.run(halved) is None
    assert tried[:3] == [10, 5, 2] and max(tried[2:]) == 2
    assert kept(halved) == kept(declared)
    assert (halved / LOG).read_text().count("ran out of memory; going on with") == 2


def test_memory_that_runs_out_later_costs_no_epoch_that_was_saved(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, steps = Model.forward, []

    def once(self: Model, x: torch.Tensor, *others: Any) -> Any:
        if self.training:
            steps.append(len(x))
            if len(steps) == 4:  # the second step of the second epoch
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, x, *others)

    monkeypatch.setattr(Model, "forward", once)
    run_dir = prepared(tmp_path, images, out_of_memory="halve")
    assert job.run(run_dir) is None
    assert steps == [10, 10, 10, 10, 5, 5, 5, 5], "the first epoch is kept, the second done again in halves"


def test_what_cannot_be_computed_in_smaller_parts_fails(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = room_for(monkeypatch, 0)
    run_dir = prepared(tmp_path, images, out_of_memory="halve")
    assert "ran out of memory" in str(job.run(run_dir))
    assert tried == [10, 5, 2, 1]


def test_a_device_that_fails_is_named_and_another_attempt_may_succeed(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nSearch for `cudaError...`")

    run_dir = prepared(tmp_path, images)
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "train", broken)
        error = job.run(run_dir)
    assert error is not None and "the device failed (CUDA error: an illegal memory access was encountered; see " in error
    assert read_failure(run_dir).kind == "worker_died"
    assert job.run(run_dir) is None


class Odd:
    """Samples of which one stops its reading process, in one way or another."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number

    def test(self, index: int) -> dict[str, torch.Tensor]:
        if index == 2:
            os.kill(os.getpid(), self.signal_number)
            time.sleep(60)
        return {"x": torch.full((3,), float(index))}


@pytest.mark.patient
def test_a_frozen_reading_process_is_told_with_its_batch_and_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE_S", 8.0)
    reader = Reading({"test": Odd(signal.SIGSTOP)}, workers=1)  # type: ignore[dict-item]
    seen = []
    with pytest.raises(ReadersLostError, match=r"gave no batch for 8 s, at batch [123] of 4"):
        for item in reader.batches([[("test", index, None, ())] for index in range(4)]):
            seen.append(float(item["x"][0, 0]))
    assert seen == [0.0, 1.0][: len(seen)], "on a slow machine it does not come as far"
    assert comes_true(lambda: not multiprocessing.active_children(), 10.0)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("could not create a primitive"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to ..."
        ),
    ],
)
def test_a_process_without_memory_is_named_and_another_may_succeed(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def short(*_: object, **__: object) -> None:
        raise error

    run_dir = prepared(tmp_path, images)
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "train", short)
        said = str(job.run(run_dir))
    assert said.startswith(f"{run_dir.name}: the system gave its process no more memory (") and "execution.slots" in said
    assert read_failure(run_dir).kind == "worker_died"
    assert job.run(run_dir) is None


def test_lost_readers_fail_a_run_that_another_attempt_completes(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise ReadersLostError("a process that reads files gave no batch for 600 s, at batch 3 of 4")

    run_dir = prepared(tmp_path, images)
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "train", lost)
        error = job.run(run_dir)
    assert error is not None and "gave no batch for 600 s, at batch 3 of 4; see whether the disk of the data answers" in error
    assert read_failure(run_dir).kind == "worker_died" and not (run_dir / RECORD).exists()
    assert job.run(run_dir) is None


@pytest.mark.patient
def test_a_reading_process_that_dies_is_told_with_its_batch() -> None:
    reader = Reading({"test": Odd(signal.SIGKILL)}, workers=1)  # type: ignore[dict-item]
    wanted = [[("test", index, None, ())] for index in range(4)]
    seen = []
    with pytest.raises(ReadersLostError, match=r"died, at batch [123] of 4"):
        for item in reader.batches(wanted):
            seen.append(float(item["x"][0, 0]))
    assert seen == [0.0, 1.0][: len(seen)]
