"""The ledger of a run, and the peak of memory of one run among several of one process."""

import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import torch

from m2pt.files import documents
from m2pt.runs import attempts as execution
from m2pt.runs.folder import ATTEMPT, EXECUTION, TIMES

FACTS = {"started": "2026-11-21T11:00:00+00:00", "resumed_from_epoch": 0, "device": "cpu", "devices": 1}
START_MS = round(datetime(2026, 11, 21, 11, tzinfo=UTC).timestamp() * 1000)


def attempts(run_dir):
    return documents.read_json(run_dir / EXECUTION)["attempts"]


def test_an_attempt_that_ended_is_in_the_ledger_once(tmp_path):
    for total in (3.0, 4.0):
        execution.begin_attempt(tmp_path, FACTS)
        execution.end_attempt(tmp_path, FACTS | {"seconds": {"total": total}})
    assert [attempt["seconds"]["total"] for attempt in attempts(tmp_path)] == [3.0, 4.0]


def test_a_killed_attempt_costs_what_it_took_up_to_its_last_epoch(tmp_path):
    execution.begin_attempt(tmp_path, FACTS)
    times = [f'{{"epoch": {epoch}, "time_ms": {START_MS + 2500 * epoch}}}\n' for epoch in (1, 2)]
    documents.write_atomic(tmp_path / TIMES, "".join(times).encode())
    execution.begin_attempt(tmp_path, FACTS | {"started": "2026-11-21T12:00:00+00:00", "resumed_from_epoch": 2})
    (killed,) = attempts(tmp_path)
    assert killed == FACTS | {"interrupted": True, "seconds": {"total": 5.0}}
    execution.begin_attempt(tmp_path, FACTS)  # killed before its first epoch: the times are those of the attempt before it
    assert attempts(tmp_path)[1]["seconds"] == {"total": 0.0}


def test_what_was_cut_off_with_the_power_does_not_hold_up_the_next_attempt(tmp_path):
    documents.write_atomic(tmp_path / ATTEMPT, b"\0\0\0")
    execution.begin_attempt(tmp_path, FACTS)
    execution.end_attempt(tmp_path, FACTS | {"seconds": {"total": 1.0}})
    assert len(attempts(tmp_path)) == 1


class Process:
    """What Linux tells of a process in `/proc/self`; `resets` says whether it lets the peak begin anew."""

    def __init__(self, folder, held_kb, peak_kb, resets=True):
        self.folder, self.held, self.peak, self.resets = folder, held_kb, peak_kb, resets

    def holds(self, held_kb):
        self.held, self.peak = held_kb, max(self.peak, held_kb)

    def __truediv__(self, name):
        if name == "status":
            (self.folder / name).write_text(f"VmPeak:\t 90000 kB\nVmHWM:\t {self.peak} kB\nVmRSS:\t {self.held} kB\n")
        elif self.resets:
            self.peak = self.held
        return self.folder / name


@pytest.fixture
def process(tmp_path, monkeypatch):
    def make(*arguments, **more):
        made = Process(tmp_path, *arguments, **more)
        monkeypatch.setattr(execution, "_PROCESS", made)
        return made

    return make


def test_the_peak_of_memory_is_one_runs_alone(process):
    simulated = process(held_kb=20_000, peak_kb=50_000)
    first = execution.PeakMemory(torch.device("cpu"))
    simulated.holds(300_000)
    assert first.bytes() == 300_000 * 1024
    simulated.holds(60_000)
    second = execution.PeakMemory(torch.device("cpu"))
    simulated.holds(100_000)
    simulated.holds(70_000)
    assert second.bytes() == 100_000 * 1024


def test_a_run_that_uses_freed_memory_again_has_held_what_the_process_holds(process):
    """Its peak never rises above where it begins anew, and is that."""
    process(held_kb=300_000, peak_kb=300_000)
    assert execution.PeakMemory(torch.device("cpu")).bytes() == 300_000 * 1024


def test_a_peak_that_may_be_an_earlier_runs_is_not_told(process):
    """The system here takes the order to begin anew and does nothing."""
    simulated = process(held_kb=2_000, peak_kb=30_000, resets=False)
    memory = execution.PeakMemory(torch.device("cpu"))
    simulated.holds(25_000)
    assert memory.bytes() is None
    simulated.holds(31_000)
    assert memory.bytes() == 31_000 * 1024


def test_without_proc_a_peak_is_told_where_the_process_was_never_larger(tmp_path, monkeypatch):
    unit = 1 if sys.platform == "darwin" else 1024
    life = [5_000]
    monkeypatch.setattr(execution, "_PROCESS", tmp_path / "missing")
    monkeypatch.setattr(execution.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=life[0]))
    memory = execution.PeakMemory(torch.device("cpu"))
    assert memory.bytes() is None
    life[0] = 6_000
    assert memory.bytes() == 6_000 * unit


_TWO_RUNS = """
import mmap, torch
from m2pt.runs.attempts import PeakMemory
peaks = []
for size in (400_000_000, 50_000_000):
    memory = PeakMemory(torch.device("cpu"))
    with mmap.mmap(-1, size) as held:  # unlike what malloc frees, this goes back to the system at once
        for place in range(0, size, 4096):
            held[place] = 1
    peaks.append(memory.bytes())
print(*peaks)
"""


def test_this_system_tells_the_peaks_of_two_runs_apart_or_says_that_it_does_not():
    done = subprocess.run([sys.executable, "-c", _TWO_RUNS], capture_output=True, text=True, check=True)
    first, second = done.stdout.split()
    assert first == "None" or int(first) > 400_000_000
    assert second == "None" or int(second) < int(first) - 200_000_000
