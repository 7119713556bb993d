"""Jobs on slots, shown with simulated devices and a worker that speaks the protocol and behaves as each run asks it to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from m2pt.config import ExecutionConfig, UserError
from m2pt.runs.folder import FAILURE, INPUTS, RECORD
from m2pt.runs.inputs import JobInputs
from pipelines.execution.engine import JobResult
from pipelines.execution.slot_pool import SlotPool
from pipelines.planning.folders import study_lock
from pipelines.planning.slots import slots
from tests.waiting import PATIENCE_S, comes_true

WORKER = Path(__file__).with_name("asked_worker.py")


LIMIT_S = 240
"""A time limit that no job reaches."""


def orders(**asked: Any) -> JobInputs:
    """The inputs of a job that say what the fake worker is to do."""
    return JobInputs(data=json.dumps(asked), cache="")


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-S", str(WORKER)]


@pytest.fixture
def make_pool(tmp_path: Path, command: list[str]) -> Callable[..., SlotPool]:
    def make(*devices: str, jobs_per_device: int = 1) -> SlotPool:
        execution = ExecutionConfig(devices=devices, jobs_per_device=jobs_per_device)
        return SlotPool(slots(execution), command, tmp_path / "logs")

    return make


def trace(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / "trace.json").read_text()))


def failure(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / FAILURE).read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that only nobody has waited for yet counts as ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def most_at_once(traces: list[dict[str, Any]]) -> int:
    events = sorted((moment, step) for run in traces for moment, step in ((run["start"], 1), (run["end"], -1)))
    running = [0]
    for _, step in events:
        running.append(running[-1] + step)
    return max(running)


def run_all(pool: SlotPool, folder: Path, jobs: int) -> list[JobResult]:
    """Run jobs at once, the first two of which end only when both are running."""
    (folder / "meeting").mkdir()
    asked = [orders(meet=str(folder / "meeting"))] * 2 + [orders(seconds=0.05)] * jobs
    with pool, ThreadPoolExecutor(len(asked)) as threads:
        pool.warm()
        return list(threads.map(lambda job: pool.run(folder / f"run{job}", asked[job], LIMIT_S), range(len(asked))))


def test_two_jobs_never_share_a_device_and_each_sees_its_own_alone(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    results = run_all(make_pool("0", "GPU-ab12"), tmp_path, 8)
    assert [result.status for result in results] == ["complete"] * 10
    traces = [trace(result.run_dir) for result in results]
    for device, slot in (("0", "cuda0"), ("GPU-ab12", "GPU-ab12")):
        mine = [run for run in traces if run["devices"] == device]
        assert most_at_once(mine) == 1
        assert {result.slot for result, run in zip(results, traces, strict=True) if run in mine} == {slot}
    assert most_at_once(traces) == 2
    assert {run["devices"] for run in traces} == {"0", "GPU-ab12"}
    assert len({run["pid"] for run in traces}) == 2, "a worker serves many runs, so that imports are paid once per slot"
    assert {json.loads((result.run_dir / INPUTS).read_text())["device"] for result in results} == {"cuda"}


def test_a_device_takes_as_many_jobs_at_once_as_declared(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    results = run_all(make_pool("0", jobs_per_device=2), tmp_path, 6)
    traces = [trace(result.run_dir) for result in results]
    assert most_at_once(traces) == 2
    assert {run["devices"] for run in traces} == {"0"}


def test_a_failing_job_fails_itself_alone(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    with make_pool("0") as pool:
        before = pool.run(tmp_path / "before", orders(), LIMIT_S)
        failed = pool.run(tmp_path / "failed", orders(error="the loss is not finite"), LIMIT_S)
        after = pool.run(tmp_path / "after", orders(), LIMIT_S)
    assert (before.status, failed.status, after.status) == ("complete", "failed", "complete")
    assert failed.error == "the loss is not finite"
    assert trace(tmp_path / "before")["pid"] == trace(tmp_path / "after")["pid"]


@pytest.mark.parametrize(
    ("ending", "words"),
    [({"signal": signal.SIGKILL}, "SIGKILL"), ({"signal": signal.SIGSEGV}, "SIGSEGV"), ({"exit": 3}, "exited with code 3")],
)
def test_a_dead_job_frees_its_slot(
    make_pool: Callable[..., SlotPool], tmp_path: Path, ending: dict[str, int], words: str
) -> None:
    with make_pool("0") as pool:
        dead = pool.run(tmp_path / "dead", orders(**ending), LIMIT_S)
        after = pool.run(tmp_path / "after", orders(), LIMIT_S)
    assert (dead.status, after.status) == ("failed", "complete")
    assert failure(tmp_path / "dead")["kind"] == "worker_died"
    assert words in failure(tmp_path / "dead")["error"]
    assert dead.error == failure(tmp_path / "dead")["error"]
    assert failure(tmp_path / "dead")["details"] == ("the last words" if "exit" in ending else "")
    assert trace(tmp_path / "dead")["pid"] != trace(tmp_path / "after")["pid"]


def test_a_job_that_was_told_to_stop_by_others_may_be_tried_again_on_its_slot(
    make_pool: Callable[..., SlotPool], tmp_path: Path
) -> None:
    with make_pool("0") as pool:
        told = pool.run(tmp_path / "told", orders(told=True), LIMIT_S)
        after = pool.run(tmp_path / "after", orders(), LIMIT_S)
    assert (told.status, after.status) == ("failed", "complete")
    assert told.died and "was told to stop" in (told.error or "")
    assert not (tmp_path / "told" / FAILURE).exists(), "it has not failed: the next start continues it"
    assert is_gone(trace(tmp_path / "told")["pid"])


def test_a_death_is_noticed_while_a_child_holds_the_pipe_open(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    with make_pool("0") as pool:
        dead = pool.run(tmp_path / "dead", orders(child=True, signal=signal.SIGKILL), LIMIT_S)
    assert "SIGKILL" in (dead.error or "")
    assert dead.seconds < 600
    assert comes_true(lambda: is_gone(trace(tmp_path / "dead")["child"]))


def test_a_job_that_leaves_no_record_has_failed_whatever_it_says(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    with make_pool("0") as pool:
        result = pool.run(tmp_path / "run", orders(forget=True), LIMIT_S)
    assert (result.status, result.error) == ("failed", "the job ended without a record")


def test_a_worker_that_dies_after_its_record_has_completed_its_run(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    with make_pool("0") as pool:
        result = pool.run(tmp_path / "done", orders(record=True), LIMIT_S)
    assert (result.status, result.error) == ("complete", None)
    assert (tmp_path / "done" / RECORD).exists()
    assert not (tmp_path / "done" / FAILURE).exists()


@pytest.mark.parametrize("frozen", [False, True])
def test_the_time_limit_ends_a_run_with_all_that_it_started(
    make_pool: Callable[..., SlotPool], tmp_path: Path, frozen: bool
) -> None:
    with make_pool("0") as pool:
        late = pool.run(tmp_path / "late", orders(child=True, seconds=600, frozen=frozen), 5)
        after = pool.run(tmp_path / "after", orders(), LIMIT_S)
    assert (late.status, after.status) == ("failed", "complete")
    assert failure(tmp_path / "late")["kind"] == "time_limit"
    assert "limit of 5 s" in failure(tmp_path / "late")["error"]
    assert 5 <= late.seconds < 600
    assert comes_true(lambda: is_gone(trace(tmp_path / "late")["pid"]))
    assert comes_true(lambda: is_gone(trace(tmp_path / "late")["child"]))


def test_a_worker_that_cannot_start_fails_the_run_in_one_sentence(tmp_path: Path) -> None:
    (slot,) = slots(ExecutionConfig(devices=("0",)))
    with SlotPool([slot], [str(tmp_path / "no-such-program")]) as pool:
        missing = pool.run(tmp_path / "run", orders(), LIMIT_S)
    assert missing.status == "failed"
    assert "no-such-program" in (missing.error or "")
    with SlotPool([slot], [sys.executable, "-S", "-c", "raise SystemExit('no module named so')"], tmp_path / "logs") as pool:
        ended = pool.run(tmp_path / "run", orders(), LIMIT_S)
    assert "exited with code 1" in (ended.error or "")
    assert failure(tmp_path / "run")["details"] == "no module named so"


def test_closing_cuts_a_run_off_without_calling_it_failed(make_pool: Callable[..., SlotPool], tmp_path: Path) -> None:
    results: list[JobResult] = []
    with make_pool("0") as pool:
        threads = [
            Thread(target=lambda job=job: results.append(pool.run(tmp_path / job, orders(seconds=600), LIMIT_S))) for job in "ab"
        ]
        for thread in threads:
            thread.start()
        assert comes_true(lambda: any((tmp_path / job / "trace.json").exists() for job in "ab"))
        pids = [trace(tmp_path / job)["pid"] for job in "ab" if (tmp_path / job / "trace.json").exists()]
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [result.status for result in results] == ["failed", "failed"], "the run that waited for the slot returns too"
    assert not any((tmp_path / job / FAILURE).exists() for job in "ab")
    assert all(comes_true(lambda pid=pid: is_gone(pid)) for pid in pids)
    assert pool.run(tmp_path / "c", orders(), LIMIT_S).status == "failed"


def test_a_job_inherits_nothing_from_the_orchestration(
    make_pool: Callable[..., SlotPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_RUN_ID", "PREFECT_API_URL", "PREFECT__FLOW_RUN_ID", "DVC_STAGE"):
        monkeypatch.setenv(name, "of the parent")
    monkeypatch.setenv("M2PT_TEST", "kept")
    with make_pool("1") as pool:
        pool.run(tmp_path / "run", orders(), LIMIT_S)
    env = trace(tmp_path / "run")["env"]
    assert env["M2PT_TEST"] == "kept"
    assert not [name for name in env if name.startswith(("MLFLOW", "PREFECT", "DVC"))]


def test_workers_start_before_the_first_run_when_the_pool_is_warmed(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(f"open({str(tmp_path)!r} + f'/started-{{__import__(\"os\").getpid()}}', 'w')\n" + WORKER.read_text())
    with SlotPool(slots(ExecutionConfig(devices=("0", "1", "2"))), [sys.executable, "-S", str(script)]) as pool:
        pool.warm(jobs=2)
        assert comes_true(lambda: len(list(tmp_path.glob("started-*"))) == 2)
        pool.run(tmp_path / "run", orders(), LIMIT_S)
        assert len(list(tmp_path.glob("started-*"))) == 2
    assert (tmp_path / f"started-{trace(tmp_path / 'run')['pid']}").exists()


PARENT = """
import json, sys, threading
from pathlib import Path
from m2pt.config import ExecutionConfig
from m2pt.runs.inputs import JobInputs
from pipelines.execution.slot_pool import SlotPool
from pipelines.planning.folders import study_lock
from pipelines.planning.slots import slots

def orders(**asked):
    return JobInputs(data=json.dumps(asked), cache="")

folder, command = Path(sys.argv[1]), sys.argv[2:]
with study_lock(folder / "study"), SlotPool(slots(ExecutionConfig(devices=("0", "1"))), command) as pool:
    pool.run(folder / "first", orders(), 240)
    threads = [threading.Thread(target=pool.run, args=(folder / name, orders(seconds=6000), 900)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.fixture
def parent(tmp_path: Path, command: list[str]) -> Any:
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), *command], start_new_session=True)
    try:
        assert comes_true(lambda: all((tmp_path / name / "trace.json").exists() for name in "ab"))
        yield process
    finally:
        process.kill()
        process.wait()


def test_no_worker_outlives_a_killed_parent_and_its_lock_is_free(parent: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = [trace(tmp_path / name)["pid"] for name in "ab"]
    with pytest.raises(UserError, match=rf"already running \(pid {parent.pid}\)"), study_lock(tmp_path / "study"):
        pass
    assert not any(is_gone(pid) for pid in pids)
    parent.kill()
    parent.wait()
    assert all(comes_true(lambda pid=pid: is_gone(pid)) for pid in pids)
    with study_lock(tmp_path / "study"):
        pass


def test_an_interrupt_closes_everything(parent: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = [trace(tmp_path / name)["pid"] for name in "ab"]
    parent.send_signal(signal.SIGINT)
    assert parent.wait(PATIENCE_S) != 0
    assert all(comes_true(lambda pid=pid: is_gone(pid)) for pid in pids)
    assert not any((tmp_path / name / FAILURE).exists() for name in "ab")


def test_the_lock_of_a_study_is_free_after_use_and_its_own(tmp_path: Path) -> None:
    with study_lock(tmp_path / "runs" / "one"), study_lock(tmp_path / "runs" / "two"):
        with pytest.raises(UserError, match=f"already running \\(pid {os.getpid()}\\)"), study_lock(tmp_path / "runs" / "one"):
            pass
    with study_lock(tmp_path / "runs" / "one"):
        pass
    assert not (tmp_path / "runs" / "one").exists(), "the lock is no part of the study's output"
