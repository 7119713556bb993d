"""What the runs of a study have used, in device-hours, and when that is all that it may use."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.runs.attempts import Attempt, add_attempt, begin_attempt, end_attempt
from m2pt.runs.folder import ATTEMPT, create_run
from pipelines.execution.device_hours import DeviceHours, budget_of, used
from pipelines.planning.plan import resolve
from pipelines.planning.study_file import load
from tests.pipelines.commands.test_cli import STUDY


def begun(seconds_ago: float, devices: int = 1) -> Attempt:
    return Attempt(started=(datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(), devices=devices)


def ended(seconds: float, devices: int = 1) -> Attempt:
    return Attempt(started="2026-01-01T00:00:00+00:00", devices=devices, seconds={"total": seconds})


def budget(limit_s: float, before_s: float = 0.0, slots: int = 2, devices: int = 1, saving_s: float = 8.0) -> DeviceHours:
    return DeviceHours(limit_s / 3600, before_s, slots, devices, saving_s)


def test_seconds_are_times_devices_over_all_attempts_of_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"{STUDY}execution: {{max_device_hours: 2}}\n")
    Path("build/small/image").mkdir(parents=True)
    Path("build/small/image/one.txt").write_text("1")
    plan = resolve(load("params.yaml"))
    for spec, attempts in zip(plan.runs, [[ended(1000, 4), ended(500, 2)], [ended(200)], [begun(0)]], strict=False):
        run_dir = create_run(Path("runs/small"), spec)
        for attempt in attempts:
            add_attempt(run_dir, attempt)
    assert used(plan) == 1000 * 4 + 500 * 2 + 200
    counted = budget_of(plan, slots=1)
    assert counted is not None and counted.limit_h == 2
    assert counted.hours == pytest.approx(5200 / 3600)
    submitted = {"execution": plan.study.execution.model_copy(update={"engine": "slurm"})}
    with pytest.raises(UserError, match="max_device_hours: jobs of SLURM go on without a command"):
        budget_of(resolve(plan.study.model_copy(update=submitted)), slots=1)
    unlimited = plan.study.model_copy(update={"execution": plan.study.execution.model_copy(update={"max_device_hours": None})})
    assert budget_of(resolve(unlimited), slots=1) is None


def test_what_goes_on_is_counted_and_saving_it_is_kept_in_reserve(tmp_path: Path):
    going, other = tmp_path / "going", tmp_path / "other"
    counted = budget(1000, before_s=600, devices=4)  # a run needs 4 * (8 + 1) s to save
    assert not counted.is_spent()
    with counted.counting(going):
        begin_attempt(going, begun(70, devices=4))
        assert counted.hours == pytest.approx(880 / 3600, abs=0.01)
        assert not counted.is_spent()  # 880 + 36 of 1000
        assert not counted.is_spent(more=1)  # 880 + 72
        end_attempt(going, ended(90, devices=4))
        assert counted.hours == pytest.approx(960 / 3600)
    assert counted.hours == pytest.approx(960 / 3600)
    assert not counted.is_spent()
    with counted.counting(other):
        assert not counted.is_spent()  # 960 + 36: less than 1000
        assert counted.is_spent(more=1)
    assert counted.is_spent(), "once it is spent, it stays so"


def test_more_runs_than_slots_need_no_more_reserve():
    counted = budget(100, before_s=85, slots=1, saving_s=8)
    assert not counted.is_spent(more=5)  # 85 + 9
    assert budget(100, before_s=91, slots=1).is_spent(more=1)


def test_an_attempt_that_was_killed_long_ago_does_not_go_on(tmp_path: Path):
    begin_attempt(tmp_path, begun(1_000_000))
    counted = budget(1000)
    with counted.counting(tmp_path):
        assert counted.hours == 0 and not counted.is_spent()
        (tmp_path / ATTEMPT).unlink()
        add_attempt(tmp_path, ended(300))  # what the ledger says of it, once the next one begins
        begin_attempt(tmp_path, begun(100))
        assert counted.hours == pytest.approx(400 / 3600, abs=0.01)
