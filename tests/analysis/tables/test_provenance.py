from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from m2pt.analysis.tables import provenance
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION


def _run(folder: Path, *attempts: dict[str, Any]) -> tuple[str, Path]:
    documents.write_json(folder / EXECUTION, {"attempts": list(attempts)})
    return "finetune", folder


def _attempt(total: float, **more: Any) -> dict[str, Any]:
    return {"started": "2026-11-21T11:00:00+00:00", "seconds": {"train": total / 2, "total": total}, "device": "cpu", **more}


def test_every_attempt_costs_its_devices_time_also_a_failed_one(tmp_path: Path) -> None:
    table = provenance.timings([_run(tmp_path / "run", _attempt(10.0, devices=4), _attempt(2.0, devices=2))])
    (row,) = table.to_dict("records")
    assert (row["attempts"], row["devices"], row["total_seconds"], row["device_seconds"]) == (2, 2, 12.0, 44.0)


def test_energy_is_the_sum_of_all_attempts_and_unknown_where_one_does_not_tell_it(tmp_path: Path) -> None:
    known = _run(tmp_path / "known", _attempt(1.0, energy_joules=30.5), _attempt(1.0, energy_joules=12.0))
    partly = _run(tmp_path / "partly", _attempt(1.0, energy_joules=None), _attempt(1.0, energy_joules=12.0))
    first, second = provenance.timings([known, partly])["energy_joules"]
    assert first == pytest.approx(42.5)
    assert pd.isna(second)


def test_latency_is_that_of_the_attempt_that_measured_it(tmp_path: Path) -> None:
    inference = {"batch": 8, "latency_ms": 2.5, "plain_latency_ms": 2.0}
    table = provenance.timings([_run(tmp_path / "run", _attempt(1.0), _attempt(1.0, inference=inference))])
    assert table.loc[0, ["latency_ms", "plain_latency_ms"]].tolist() == [2.5, 2.0]


def test_an_execution_from_before_these_measurements_has_empty_columns(tmp_path: Path) -> None:
    (row,) = provenance.timings([_run(tmp_path / "run", _attempt(3.0))]).to_dict("records")
    assert (row["devices"], row["device_seconds"]) == (1, 3.0)
    assert all(pd.isna(row[name]) for name in ("energy_joules", "latency_ms", "plain_latency_ms"))
