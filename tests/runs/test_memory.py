"""The peak of memory of one run among several of one process."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from m2pt.runs import memory


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
        monkeypatch.setattr(memory, "_PROCESS", made)
        return made

    return make


def test_the_peak_of_memory_is_one_runs_alone(process):
    simulated = process(held_kb=20_000, peak_kb=50_000)
    first = memory.PeakMemory(torch.device("cpu"))
    simulated.holds(300_000)
    assert first.bytes() == 300_000 * 1024
    simulated.holds(60_000)
    second = memory.PeakMemory(torch.device("cpu"))
    simulated.holds(100_000)
    simulated.holds(70_000)
    assert second.bytes() == 100_000 * 1024


def test_a_run_that_uses_freed_memory_again_has_held_what_the_process_holds(process):
    """Its peak never rises above where it begins anew, and is that."""
    process(held_kb=300_000, peak_kb=300_000)
    assert memory.PeakMemory(torch.device("cpu")).bytes() == 300_000 * 1024


def test_a_peak_that_may_be_an_earlier_runs_is_not_told(process):
    """The system here takes the order to begin anew and does nothing."""
    simulated = process(held_kb=2_000, peak_kb=30_000, resets=False)
    peak = memory.PeakMemory(torch.device("cpu"))
    simulated.holds(25_000)
    assert peak.bytes() is None
    simulated.holds(31_000)
    assert peak.bytes() == 31_000 * 1024


def test_without_proc_a_peak_is_told_where_the_process_was_never_larger(tmp_path, monkeypatch):
    unit = 1 if sys.platform == "darwin" else 1024
    life = [5_000]
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "missing")
    monkeypatch.setattr(memory.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=life[0]))
    peak = memory.PeakMemory(torch.device("cpu"))
    assert peak.bytes() is None
    life[0] = 6_000
    assert peak.bytes() == 6_000 * unit


_TWO_RUNS = """
import mmap, torch
from m2pt.runs.memory import PeakMemory
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


def test_a_cuda_device_is_in_use_before_its_peak_begins_anew(monkeypatch):
    """In a process that has not used it yet, torch refuses with "Invalid device argument"."""
    called = []
    monkeypatch.setattr(torch.cuda, "init", lambda: called.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: called.append(device))
    memory.PeakMemory(torch.device("cuda", 0))
    assert called == ["init", torch.device("cuda", 0)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_peak_of_a_cuda_device_is_told_in_a_process_that_has_not_used_it():
    program = (
        "import torch; from m2pt.runs.memory import PeakMemory; device = torch.device('cuda', 0); peak = PeakMemory(device); "
        "torch.zeros(2**20, device=device); print(peak.bytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4 * 2**20
