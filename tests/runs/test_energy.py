"""Energy counters of processors in a made-up folder, and of GPUs behind a made-up NVML."""

import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from m2pt.runs import energy
from tests.waiting import PATIENCE_S


def domain(root, label, name, energy_uj, span=1_000_000):
    folder = root / label
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_packages_and_memory_are_added_up_and_nothing_is_counted_twice(tmp_path):
    counted = [domain(tmp_path, label, name, 100) for label, name in (
        ("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:0:2", "dram"))]  # fmt: skip
    others = [domain(tmp_path, label, name, 100) for label, name in (
        ("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"), ("intel-rapl-mmio:0", "package-0"))]  # fmt: skip
    with energy.EnergyMeter(energy.rapl_counters(tmp_path)) as meter:
        for file in counted + others:
            file.write_text("500100\n")
        assert meter.joules() == pytest.approx(3 * 0.5)


def test_a_counter_that_started_again_at_zero_goes_on(tmp_path):
    counter = domain(tmp_path, "intel-rapl:0", "package-0", 900_000)
    with energy.EnergyMeter(energy.rapl_counters(tmp_path)) as meter:
        counter.write_text("100000\n")
        assert meter.joules() == pytest.approx(0.2)
        counter.write_text("300000\n")
        assert meter.joules() == pytest.approx(0.4)


class ScriptedCounter:
    """Gives one count after the other, then stays at the last."""

    span_uj = 1_000_000

    def __init__(self, *counts):
        self.counts, self.at_the_end = list(counts), threading.Event()

    def read(self):
        if len(self.counts) == 1:
            self.at_the_end.set()
            return self.counts[0]
        return self.counts.pop(0)


def test_a_long_run_is_looked_at_in_between():
    counter = ScriptedCounter(0, 600_000, 200_000, 800_000)  # starts again once, and ends above every earlier count
    with energy.EnergyMeter([counter], look_every_s=0.005) as meter:
        assert counter.at_the_end.wait(PATIENCE_S)
        assert meter.joules() == pytest.approx(1.8)


def test_energy_is_unknown_without_a_counter_or_where_it_cannot_be_read(tmp_path):
    assert energy.EnergyMeter(energy.rapl_counters(tmp_path / "missing")).joules() is None
    domain(tmp_path, "intel-rapl:0", "package-0", 5)
    counter = domain(tmp_path, "intel-rapl:1", "package-1", 5)
    meter = energy.EnergyMeter(energy.rapl_counters(tmp_path))
    counter.unlink()
    assert meter.joules() is None
    assert energy.EnergyMeter(energy.rapl_counters(tmp_path)).joules() is None


class FakeNvml:
    """Two GPUs that each count 1 J a look; one more that does not tell."""

    class NVMLError(Exception):
        pass

    def __init__(self, driver=True):
        self.driver, self.millijoules = driver, {"GPU-a": 5000, "GPU-b": 7000, "GPU-old": None}

    def nvmlInit(self):
        if not self.driver:
            raise self.NVMLError("no driver")

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in self.millijoules:
            raise self.NVMLError("not found")
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.millijoules[handle] is None:
            raise self.NVMLError("not supported")
        self.millijoules[handle] += 1000
        return self.millijoules[handle]


@pytest.fixture
def gpus(monkeypatch):
    """Install a made-up NVML; returns devices by the names of their GPUs."""
    names = ["a", "b", "old", "part"]

    def install(nvml):
        energy._nvml.cache_clear()
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        properties = [SimpleNamespace(uuid=name) for name in names]
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties[device.index])
        return {name: torch.device("cuda", index) for index, name in enumerate(names)}

    yield install
    energy._nvml.cache_clear()


def test_the_energy_of_a_run_on_several_gpus_is_that_of_all_of_them(gpus):
    devices = gpus(FakeNvml())
    assert energy.energy_meter([devices["a"]]).joules() == pytest.approx(1.0)
    assert energy.energy_meter([devices["a"], devices["b"]]).joules() == pytest.approx(2.0)


@pytest.mark.parametrize("names", [["old"], ["part"], ["a", "old"], ["a", "part"]])
def test_a_gpu_that_does_not_tell_leaves_the_energy_unknown(gpus, names):
    devices = gpus(FakeNvml())
    assert energy.energy_meter([devices[name] for name in names]).joules() is None


@pytest.mark.parametrize("nvml", [FakeNvml(driver=False), None])
def test_no_driver_and_no_package_are_no_fault(gpus, nvml):
    devices = gpus(nvml)
    assert energy.energy_meter([devices["a"]]).joules() is None


def test_a_run_on_the_cpu_reads_the_processors_counters(tmp_path, monkeypatch):
    domain(tmp_path, "intel-rapl:0", "package-0", 5)
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert energy.energy_meter([torch.device("cpu")]).joules() == 0.0
