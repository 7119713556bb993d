"""A job that is asked to stop finishes its step, saves and ends with code 75; what follows gives the same bytes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from m2pt import job
from m2pt.config import EmbeddedData, FinetuneConfig, MaePretrain
from m2pt.files import documents
from m2pt.files.markers import is_leased
from m2pt.modalities.image import embedded
from m2pt.runs.folder import CHECKPOINT, ENCODER, EXECUTION, HISTORY, LOCK, LOG, MERGED, RECORD, read_history, run_state
from m2pt.runs.identity import run_id
from m2pt.runs.spec import PretrainSpec
from m2pt.training.checkpoint import Clock
from m2pt.training.stopping import SIGNALS, STOPPED, Stop
from tests.specs import pretrain_spec
from tests.test_job import ask, prepare, scratch_baseline, worker  # noqa: F401 - a fixture
from tests.waiting import PATIENCE_S, comes_true

LONG = FinetuneConfig(samples=40, epochs=3, batch_size=1, warmup_steps=1)
"""Forty steps an epoch, none of which takes long."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder") / "image"
    embedded.write(folder, EmbeddedData(pretrain=20, train=40, val=20, test=20))
    return folder


def started(run_dir):
    return subprocess.Popen([sys.executable, "-m", "m2pt.job", str(run_dir)], stderr=subprocess.PIPE, text=True)


def hears(pid):
    """Whether a process has a handler for SIGTERM."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def begun(run_dir):
    """Wait until the attempt is under way: its signals are heard, its training begins within moments."""
    assert comes_true(lambda: (run_dir / "local/attempt.json").exists())


def slow(spec):
    """A run of many short steps in a single epoch, so that nothing but a signal lets it save."""
    return spec.model_copy(update={"finetune": LONG.model_copy(update={"epochs": 1, "batch_size": 1})})


def test_every_signal_is_heard_while_the_main_thread_waits():
    """In a call of the system, which Python's own handlers do not end if another thread receives the signal."""
    program = "from m2pt.training.stopping import Stop; stop = Stop(); stop.obey_signals(); print(flush=True)"
    program += "; stop._asked.wait(); print('asked')"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in SIGNALS
    ]
    for number, process in zip(SIGNALS, processes, strict=True):
        assert process.stdout.readline() == "\n"
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE_S)[0] == "asked\n"


def test_a_signal_lets_a_run_save_and_leave_and_the_next_start_gives_the_same_bytes(tmp_path, images):
    spec = slow(scratch_baseline(LONG))
    whole, stopped = prepare(tmp_path / "whole", images, spec), prepare(tmp_path / "stopped", images, spec)
    assert job.run(whole) is None
    process = started(stopped)
    begun(stopped)
    time.sleep(0.05)
    before = time.monotonic()
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE_S) == STOPPED
    assert time.monotonic() - before < 10
    assert "was stopped before its end; start again to continue it." in process.stderr.read()
    assert run_state(stopped) == "interrupted"
    assert not read_history(stopped), "its only epoch has not ended"
    progress = torch.load(stopped / CHECKPOINT, weights_only=True)["trainer"]["progress"]
    assert progress[0]["step"] >= 1, "the checkpoint is from within the epoch"
    assert job.run(stopped) is None
    first, second = documents.read_json(stopped / EXECUTION)["attempts"]
    assert second["resumed"]
    assert first["seconds"]["total"] > 0 and "interrupted" not in first
    for name in (RECORD, HISTORY, MERGED):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


def stop_in(steps):
    """A stop that is asked for after so many looks at it."""

    class Soon(Stop):
        looks = 0

        @property
        def asked(self):
            self.looks += 1
            return self.looks > steps

        def ask(self, code=STOPPED):
            pass  # no deadline in this process

    return Soon()


@pytest.mark.parametrize("steps", [0, 39, 40, 121, 122])
def test_wherever_a_fine_tuning_is_stopped_it_goes_on_to_the_same_bytes(tmp_path, images, steps):
    """Within an epoch, at its end, in its validation, in the test."""
    spec = scratch_baseline(LONG)
    whole, stopped = prepare(tmp_path / "whole", images, spec), prepare(tmp_path / "stopped", images, spec)
    assert job.run(whole) is None
    for tries in range(2):
        error = job.run(stopped, stop=stop_in(steps + tries))
        assert error is None or "was stopped before its end" in error
    assert job.run(stopped) is None
    for name in (RECORD, HISTORY, MERGED):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("steps", [0, 49, 50, 60])
def test_wherever_a_pretraining_is_stopped_it_goes_on_to_the_same_bytes(tmp_path, images, steps):
    spec = pretrain_spec(pretrain=MaePretrain(steps=70, batch_size=4, decoder_depth=1))
    assert isinstance(spec, PretrainSpec)
    whole, stopped = prepare(tmp_path / "whole", images, spec), prepare(tmp_path / "stopped", images, spec)
    assert job.run(whole) is None
    assert "was stopped before its end" in job.run(stopped, stop=stop_in(steps))
    at = torch.load(stopped / CHECKPOINT, weights_only=True)
    assert sum(at["within"][:1]) + 50 * len(at["history"]) >= min(steps, 69), "at most one step is lost"
    assert job.run(stopped) is None
    for name in (RECORD, HISTORY, ENCODER):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.patient
def test_several_processes_stop_after_the_same_step(tmp_path, images):
    spec = scratch_baseline(FinetuneConfig(samples=40, epochs=20, batch_size=10, warmup_steps=1))
    whole, stopped = (prepare(tmp_path / name, images, spec, devices=2) for name in ("whole", "stopped"))
    assert job.run(whole) is None
    process = started(stopped)
    begun(stopped)
    assert comes_true(lambda: read_history(stopped))
    before = time.monotonic()
    process.terminate()
    assert process.wait(PATIENCE_S) == STOPPED
    assert time.monotonic() - before < 10
    assert run_state(stopped) == "interrupted"
    parts = torch.load(stopped / CHECKPOINT, weights_only=True)["trainer"]["progress"]
    assert len(parts) == 2
    assert parts[0]["epoch"] == parts[1]["epoch"] and parts[0]["step"] == parts[1]["step"]
    assert job.run(stopped) is None
    for name in (RECORD, HISTORY, MERGED):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


def test_a_job_that_is_told_to_stop_while_it_begins_ends_with_the_same_code(tmp_path, images):
    """Its libraries take seconds to load."""
    run_dir = prepare(tmp_path, images)
    process = started(run_dir)
    assert comes_true(lambda: hears(process.pid))
    process.terminate()
    assert process.wait(PATIENCE_S) == STOPPED
    assert "Traceback" not in process.stderr.read()
    assert run_state(run_dir) == "missing"


def test_signals_that_keep_coming_change_no_code(tmp_path, images):
    run_dir = prepare(tmp_path, images, slow(scratch_baseline(LONG)))
    process = started(run_dir)
    begun(run_dir)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    assert process.returncode == (0 if run_state(run_dir) == "complete" else STOPPED)


def test_what_does_not_stop_in_time_is_cut_off_with_the_same_code(tmp_path, images):
    run_dir = prepare(tmp_path, images, stop_limit_s=0.5)
    os.mkfifo(run_dir / LOG)  # opening it does not end before somebody reads it
    process = started(run_dir)
    assert comes_true(lambda: is_leased(run_dir / LOCK))
    process.terminate()
    assert process.wait(PATIENCE_S) == STOPPED
    assert "did not end within 0.5 s and was cut off" in process.stderr.read()
    assert run_state(run_dir) == "missing"


def test_a_worker_saves_its_run_when_it_is_hung_up_on(tmp_path, images, worker):  # noqa: F811
    run_dir = prepare(tmp_path, images, slow(scratch_baseline(LONG)))
    worker.stdin.write(f'{{"run_dir": "{run_dir}"}}\n')
    begun(run_dir)
    worker.stdin.close()
    assert worker.wait(PATIENCE_S) == 0
    assert (run_dir / CHECKPOINT).exists() or (run_dir / RECORD).exists()
    assert run_state(run_dir) in ("interrupted", "complete")


def test_a_worker_that_is_told_to_end_answers_for_its_run(tmp_path, images, worker):  # noqa: F811
    run_dir = prepare(tmp_path, images, scratch_baseline(FinetuneConfig(samples=40, epochs=2000, batch_size=10)))
    threading.Thread(target=lambda: (begun(run_dir), os.kill(worker.pid, signal.SIGTERM))).start()
    answer = ask(worker, run_dir)
    assert answer == {
        "run_dir": str(run_dir),
        "status": "interrupted",
        "error": f"{run_id(job.read_spec(run_dir))}: was stopped before its end; start again to continue it.",
    }
    assert worker.wait(PATIENCE_S) == STOPPED
    assert run_state(run_dir) == "interrupted"


def test_a_worker_without_a_run_ends_at_once(worker):  # noqa: F811
    worker.terminate()
    assert worker.wait(PATIENCE_S) == STOPPED


def test_a_checkpoint_is_due_by_time(tmp_path, images):
    never, soon = Clock(None), Clock(0.05)
    assert not never.due and not soon.due
    time.sleep(0.06)
    assert soon.due and not never.due
    soon.reset()
    assert not soon.due


def test_a_run_that_is_killed_within_an_epoch_goes_on_from_its_last_checkpoint_by_time(tmp_path, images):
    spec = scratch_baseline(FinetuneConfig(samples=40, epochs=1, batch_size=1, warmup_steps=1))
    whole = prepare(tmp_path / "whole", images, spec)
    killed = prepare(tmp_path / "killed", images, spec, checkpoint_every_seconds=0.001)
    assert job.run(whole) is None
    process = started(killed)
    assert comes_true(lambda: (killed / CHECKPOINT).exists() or process.poll() is not None)
    process.kill()
    process.wait()
    assert not read_history(killed)
    assert job.run(killed) is None
    assert documents.read_json(killed / EXECUTION)["attempts"][-1]["resumed"]
    for name in (RECORD, HISTORY, MERGED):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
