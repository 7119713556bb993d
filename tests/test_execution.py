"""The ledger of a run, and the peak of memory of one run among several of one process."""

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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot reset the peak of a process")
def test_the_peak_of_memory_is_that_since_its_reset():
    cpu = torch.device("cpu")
    execution.reset_peak_memory(cpu)
    large = torch.ones(60_000_000)
    del large
    before = execution.peak_memory_bytes(cpu)
    execution.reset_peak_memory(cpu)
    assert execution.peak_memory_bytes(cpu) < before - 100_000_000
    small = torch.ones(30_000_000)
    assert execution.peak_memory_bytes(cpu) > before - 200_000_000
    del small


def test_where_the_system_does_not_tell_memory_apart_the_peak_is_the_processs(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "_PROCESS", tmp_path / "missing")
    execution.reset_peak_memory(torch.device("cpu"))
    assert execution.peak_memory_bytes(torch.device("cpu")) > 10 * 2**20
