"""A job whose run another one has taken over ends as stopped, and leaves everything to that one."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from m2pt import job
from m2pt.config import EmbeddedData, FinetuneConfig, MaePretrain
from m2pt.files.documents import written_under
from m2pt.files.leases import leased
from m2pt.modalities.image import embedded
from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import ENCODER, FAILURE, HISTORY, LOCK, MERGED, RECORD, WRITTEN, read_history, run_state
from m2pt.training.stopping import STOPPED
from tests import hosts
from tests.specs import pretrain_spec
from tests.test_job import prepare, scratch_baseline, worker  # noqa: F401 - a fixture
from tests.training.test_stopping import begun, started
from tests.waiting import PATIENCE_S, comes_true

ROOT = Path(__file__).parents[2]
RECIPE = FinetuneConfig(samples=40, epochs=40, batch_size=8, warmup_steps=1)
STOPPED_WORDS = "was stopped before its end; start again to continue it."


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder") / "image"
    embedded.write(folder, EmbeddedData(pretrain=20, train=40, val=20, test=20))
    return folder


@contextmanager
def taken_over(run_dir):
    """Hold a run's lease, which its job has not given back: as another host does after it has expired."""
    (run_dir / LOCK).unlink()
    with leased(run_dir / LOCK, wait_s=0) as lease, written_under(lease, [run_dir / name for name in WRITTEN]):
        yield
        assert lease.ours(), "the job that has lost it leaves the marker alone"


def files_of(run_dir):
    kept = [path for path in run_dir.rglob("[!.]*") if path.is_file() and path.name not in ("log.txt", "log.txt.1", "lease")]
    return {path: path.read_bytes() for path in kept}


@pytest.mark.patient
@pytest.mark.timeout(900)
@pytest.mark.parametrize("devices", [1, 2])
def test_a_job_that_has_lost_its_run_ends_as_stopped_and_writes_nothing_more(tmp_path, images, devices):
    spec = scratch_baseline(RECIPE.model_copy(update={"epochs": {1: 60, 2: 16}[devices]}))
    whole, lost = (prepare(tmp_path / name, images, spec, devices=devices) for name in ("whole", "lost"))
    assert job.run(whole) is None
    process = started(lost)
    assert comes_true(lambda: len(read_history(lost)) >= 2)
    with taken_over(lost):
        before = files_of(lost)
        assert process.wait(PATIENCE_S) == STOPPED
        assert files_of(lost) == before
    assert STOPPED_WORDS in process.stderr.read()
    assert not (lost / FAILURE).exists() and run_state(lost) == "interrupted"
    assert job.run(lost) is None
    first, second = read_attempts(lost)
    assert first.interrupted and second.resumed, "what is known of the first was left to the next"
    for name in (RECORD, HISTORY, MERGED):
        assert (lost / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.patient
@pytest.mark.timeout(900)
def test_so_does_a_pretraining(tmp_path, images):
    spec = pretrain_spec(pretrain=MaePretrain(steps=500, batch_size=4, decoder_depth=1))
    whole, lost = prepare(tmp_path / "whole", images, spec), prepare(tmp_path / "lost", images, spec)
    assert job.run(whole) is None
    process = started(lost)
    assert comes_true(lambda: len(read_history(lost)) >= 2)
    with taken_over(lost):
        before = files_of(lost)
        assert process.wait(PATIENCE_S) == STOPPED
        assert files_of(lost) == before
    assert job.run(lost) is None
    for name in (RECORD, HISTORY, ENCODER):
        assert (lost / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.patient
def test_a_run_that_fails_in_the_hands_of_two_keeps_the_reason_of_the_one_that_holds_it(tmp_path, images):
    run_dir = prepare(tmp_path, images, data=str(tmp_path / "nothing"))
    program = (
        "import sys, time; from pathlib import Path; from m2pt import job; require = job.require_startable\n"
        "def loses(*arguments):\n"
        "    marker = Path(sys.argv[1]) / 'local/lease'; marker.unlink(); marker.touch(); return require(*arguments)\n"
        "job.require_startable = loses; sys.exit(job.main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run_dir)], stderr=subprocess.PIPE, text=True)
    assert done.returncode == STOPPED
    assert STOPPED_WORDS in done.stderr and "Traceback" not in done.stderr
    assert not (run_dir / FAILURE).exists()


@pytest.mark.patient
def test_a_job_that_waits_for_another_ends_as_soon_as_it_is_told_to(tmp_path, images, worker):  # noqa: F811
    run_dir = prepare(tmp_path, images, stop_limit_s=60.0)
    with leased(run_dir / LOCK):
        worker.stdin.write(json.dumps({"run_dir": str(run_dir)}) + "\n")
        time.sleep(2)  # it waits by then, or ends the sooner
        before = time.monotonic()
        worker.terminate()
        answer = json.loads(worker.stdout.readline())
        assert time.monotonic() - before < 30
        assert worker.wait(PATIENCE_S) == STOPPED
    assert answer["status"] == "interrupted" and STOPPED_WORDS in answer["error"]
    assert run_state(run_dir) == "missing"


@pytest.mark.patient
def test_a_killed_job_is_followed_at_once_on_its_host(tmp_path, images):
    run_dir = prepare(tmp_path, images, scratch_baseline(RECIPE))
    process = started(run_dir)
    begun(run_dir)
    process.kill()
    process.wait()
    assert (run_dir / LOCK).exists()
    before = time.monotonic()
    with leased(run_dir / LOCK):
        assert time.monotonic() - before < 5, "not when its lease would have expired"


@pytest.mark.patient
@pytest.mark.skipif(hosts.way() is None, reason="this system permits no namespaces")
@pytest.mark.timeout(900)
def test_two_hosts_that_race_for_a_run_never_both_write_it():
    """Each kind of mishap once; `benchmarks/racing_hosts.py` says what is counted, and plays as many rounds as one likes."""
    script = ROOT / "benchmarks/racing_hosts.py"
    arguments = ["--rounds", "7", "--seed", "1", "--each"]
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["takeovers"] >= 3, "the mishaps happened"
    for name in ("files written after a takeover", "steps begun after a takeover", "other bytes"):
        assert found[name] == 0
