"""A run on several devices, with real processes: one that dies takes the others with it; another attempt may succeed."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from m2pt.config import EmbeddedData, ExecutionConfig, FinetuneConfig
from m2pt.modalities.image import embedded
from m2pt.runs.failure import read_failure
from m2pt.runs.folder import read_history
from m2pt.runs.inputs import read_inputs
from pipelines.execution.slot_pool import WORKER_COMMAND, SlotPool
from pipelines.planning.slots import slots
from tests.test_job import prepare, scratch_baseline
from tests.waiting import comes_true

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
    pytest.mark.patient,
]


def processes(run_dir: Path) -> dict[str, int]:
    """The processes that train a run, by rank."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_text().split("\0") if process.name.isdigit() else []
            if command[1:4] == ["-u", "-m", "m2pt.job"] and str(run_dir) in command:
                variables = dict(line.partition("=")[::2] for line in (process / "environ").read_text().split("\0"))
                found[variables["RANK"]] = int(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_run_whose_process_was_killed_may_be_tried_again(tmp_path: Path, rank: str):
    """The other process is in the middle of a step, which ends with an error that is none of the run's."""
    embedded.write(data := tmp_path / "data/image", EmbeddedData(pretrain=20, train=40, val=20, test=20))
    spec = scratch_baseline(FinetuneConfig(samples=40, epochs=100000, batch_size=10, warmup_steps=1))
    run_dir = prepare(tmp_path / "runs", data, spec, devices=2)
    with (
        SlotPool(slots(ExecutionConfig(devices="cpu", slots=1)), WORKER_COMMAND, tmp_path / "logs") as pool,
        ThreadPoolExecutor(1) as thread,
    ):
        doing = thread.submit(pool.run, run_dir, read_inputs(run_dir), 600)
        assert comes_true(lambda: len(read_history(run_dir)) > 1 or doing.done()), "it trains"
        os.kill(processes(run_dir)[rank], signal.SIGKILL)
        result = doing.result()
    assert result.died, result.error
    assert result.error == f"{run_dir.name}: one of its 2 processes died (see {run_dir / 'local/log.txt'})."
    assert read_failure(run_dir).kind == "worker_died"
