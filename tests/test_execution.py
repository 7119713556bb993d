"""The ledger of a run, and the peak of memory of one run among several of one process."""

import resource
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import torch

from m2pt import execution, records

FACTS = {"started": "2026-11-21T11:00:00+00:00", "resumed_from_epoch": 0, "device": "cpu", "devices": 1}
START_MS = round(datetime(2026, 11, 21, 11, tzinfo=UTC).timestamp() * 1000)


def attempts(run_dir):
    return records.read_json(run_dir / records.EXECUTION)["attempts"]


def test_an_attempt_that_ended_is_in_the_ledger_once(tmp_path):
    for total in (3.0, 4.0):
        execution.begin_attempt(tmp_path, FACTS)
        execution.end_attempt(tmp_path, FACTS | {"seconds": {"total": total}})
    assert [attempt["seconds"]["total"] for attempt in attempts(tmp_path)] == [3.0, 4.0]


def test_a_killed_attempt_costs_what_it_took_up_to_its_last_epoch(tmp_path):
    execution.begin_attempt(tmp_path, FACTS)
    times = [f'{{"epoch": {epoch}, "time_ms": {START_MS + 2500 * epoch}}}\n' for epoch in (1, 2)]
    records.write_atomic(tmp_path / records.TIMES, "".join(times).encode())
    execution.begin_attempt(tmp_path, FACTS | {"started": "2026-11-21T12:00:00+00:00", "resumed_from_epoch": 2})
    (killed,) = attempts(tmp_path)
    assert killed == FACTS | {"interrupted": True, "seconds": {"total": 5.0}}
    execution.begin_attempt(tmp_path, FACTS)  # killed before its first epoch: the times are those of the attempt before it
    assert attempts(tmp_path)[1]["seconds"] == {"total": 0.0}


def test_what_was_cut_off_with_the_power_does_not_hold_up_the_next_attempt(tmp_path):
    records.write_atomic(tmp_path / execution.ATTEMPT, b"\0\0\0")
    execution.begin_attempt(tmp_path, FACTS)
    execution.end_attempt(tmp_path, FACTS | {"seconds": {"total": 1.0}})
    assert len(attempts(tmp_path)) == 1


_PROBE = """
import pathlib
def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
held = bytearray(b"x") * 100_000_000
before = peak()
del held
pathlib.Path("/proc/self/clear_refs").write_text("5")
raise SystemExit(peak() > before - 50_000)
"""


@pytest.fixture(scope="module")
def system_tells_peaks_apart():
    """Some containers have a read-only /proc, and systems other than Linux none."""
    if subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let the peak of a process begin anew")


@pytest.mark.usefixtures("system_tells_peaks_apart")
def test_the_peak_of_memory_is_one_runs_alone():
    first = execution.PeakMemory(torch.device("cpu"))
    large = torch.ones(60_000_000)
    del large
    most = first.bytes()
    second = execution.PeakMemory(torch.device("cpu"))
    small = torch.ones(10_000_000)
    del small
    assert second.bytes() < most - 100_000_000


def test_a_peak_that_may_be_an_earlier_runs_is_not_told(tmp_path, monkeypatch):
    """The system here takes the order to begin anew and does nothing."""
    monkeypatch.setattr(execution, "_PROCESS", tmp_path)
    (tmp_path / "status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t 2000 kB\n")
    memory = execution.PeakMemory(torch.device("cpu"))
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert memory.bytes() is None
    (tmp_path / "status").write_text("VmPeak:\t 9000 kB\nVmHWM:\t 3000 kB\n")
    assert memory.bytes() == 3000 * 1024


def test_without_proc_a_peak_is_told_where_the_process_was_never_larger(tmp_path, monkeypatch):
    """getrusage counts for the whole life of a process, so the array must be larger than anything before it."""
    monkeypatch.setattr(execution, "_PROCESS", tmp_path / "missing")
    memory = execution.PeakMemory(torch.device("cpu"))
    assert memory.bytes() is None
    unit = 1 if sys.platform == "darwin" else 1024
    earlier = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    larger = torch.ones(earlier // 4)
    del larger
    assert memory.bytes() > earlier
