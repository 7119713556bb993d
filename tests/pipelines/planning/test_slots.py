"""Which slots there are, for each way to ask."""

import os

import pytest
import torch

from m2pt.config import ExecutionConfig, UserError
from pipelines.planning.slots import slots, usable_cores


def test_named_devices_make_slots_without_hardware() -> None:
    made = slots(ExecutionConfig(devices=("0", "GPU-5ab1", "MIG-GPU-5ab1/7/0"), jobs_per_device=2))
    assert [slot.env["CUDA_VISIBLE_DEVICES"] for slot in made] == ["0", "GPU-5ab1", "MIG-GPU-5ab1/7/0"] * 2, "spread first"
    assert {slot.device for slot in made} == {"cuda"}
    assert len({slot.name for slot in made}) == 6
    assert not any("/" in slot.name for slot in made), "a name is good for a file"


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [(None, 2, ["0", "1"]), ("3, 5,9", 2, ["3", "5"]), ("GPU-5ab1", 1, ["GPU-5ab1"]), ("", 0, [])],
)
def test_auto_takes_every_device_that_is_visible(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int, expected: list[str]
) -> None:
    monkeypatch.setattr("pipelines.planning.slots._has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    made = slots(ExecutionConfig(slots=3))
    assert [slot.env["CUDA_VISIBLE_DEVICES"] for slot in made] == (expected or [""] * 3)
    assert {slot.device for slot in made} == {"cuda" if expected else "cpu"}


def test_cpu_slots_hide_every_device_and_take_one_thread_each() -> None:
    made = slots(ExecutionConfig(devices="cpu"))
    assert len(made) == usable_cores()
    assert {(slot.device, slot.env["CUDA_VISIBLE_DEVICES"], slot.env["OMP_NUM_THREADS"]) for slot in made} == {("cpu", "", "1")}
    assert len(slots(ExecutionConfig(devices="cpu", slots=5))) == 5


def test_cores_that_this_process_may_not_use_make_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7}, raising=False)
    assert len(slots(ExecutionConfig(devices="cpu"))) == 1


@pytest.mark.parametrize(("devices", "word"), [((), "empty"), (("0", "0"), "twice"), (("cuda:0",), "cuda:0")])
def test_impossible_devices_are_refused(devices: tuple[str, ...], word: str) -> None:
    with pytest.raises(UserError, match=rf"^execution\.devices: .*{word}"):
        slots(ExecutionConfig(devices=devices))


def test_a_job_on_several_devices_takes_them_together():
    found = slots(ExecutionConfig(devices=("0", "1", "2", "3"), devices_per_job=2))
    assert [slot.env["CUDA_VISIBLE_DEVICES"] for slot in found] == ["0,1", "2,3"]
    assert [slot.name for slot in found] == ["cuda0+cuda1", "cuda2+cuda3"]
    with pytest.raises(UserError, match=r"devices_per_job: 2 does not divide the 3 devices"):
        slots(ExecutionConfig(devices=("0", "1", "2"), devices_per_job=2))
    with pytest.raises(UserError, match="cannot share them"):
        slots(ExecutionConfig(devices=("0", "1"), devices_per_job=2, jobs_per_device=2))
