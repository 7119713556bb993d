from pathlib import Path
from typing import Any

import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.tables import provenance
from m2pt.analysis.tables.ledger import Ledger, MethodCosts, Spread, ledger
from m2pt.files import documents
from m2pt.runs.folder import EXECUTION, RECORD
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from tests.analysis import synthetic

TARGETS = ("image", "audio")


def _costs(planned: synthetic.Planned, parts: Any = None) -> Ledger:
    table = read_table(planned.specs, planned.runs, parts)
    folders = [("finetune", planned.runs / run_id(spec)) for spec in planned.specs]
    folders += [("pretrain", planned.encoders / run_id(spec)) for spec in planned.pretraining]
    complete = table.loc[table["status"] == "complete", "run_id"].unique()
    records = {name: read_record(planned.runs / name, FinetuneRecord) for name in complete}
    return ledger(cells(table), provenance.timings(folders), records)


def _study(root: Path, seeds: int = 2) -> synthetic.Planned:
    return synthetic.complete(synthetic.plan(root, seeds, targets=TARGETS, epochs=1))


def _attempts(run_dir: Path, *changes: dict[str, Any]) -> None:
    """Give a run attempts like the one that it has, with changes."""
    (first,) = documents.read_json(run_dir / EXECUTION)["attempts"]
    documents.write_json(run_dir / EXECUTION, {"attempts": [first | change for change in changes]})


def _of(planned: synthetic.Planned, method: str) -> list[RunSpec]:
    return [spec for spec in planned.specs if spec.method == method]


def _row(costs: Ledger, name: str) -> MethodCosts:
    return next(row for row in costs.conditions[0].methods if row.name == name)


def test_costs_of_a_method_are_those_of_its_runs(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    costs = _costs(planned)
    assert [row.name for row in costs.conditions[0].methods] == ["baseline", "pathway", "random_auxiliary", "own_lineage"]
    row = _row(costs, "pathway")
    assert (row.kind, row.runs, row.measured) == ("claim", 4, 4)
    assert (row.device_seconds, row.train_seconds) == (pytest.approx(4 * 3.4), 2.5)
    assert (row.peak_memory_bytes, row.trainable_parameters, row.parameters) == (123_000_000, 400_000, 205_000)
    assert row.plain_parameters == 205_000
    assert (row.energy_joules, row.latency, costs.tells_energy) == (None, None, False)


def test_failed_and_killed_attempts_cost_their_devices_time(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    failed, killed = _of(planned, "pathway")[:2]
    _attempts(planned.folder(failed), {"seconds": {"total": 10.0}, "devices": 2})
    synthetic.write_failure(planned, failed, "the loss is not finite")
    _attempts(planned.folder(killed), {"seconds": {"total": 100.0}, "interrupted": True}, {"devices": 4})
    row = _row(_costs(planned), "pathway")
    assert row.device_seconds == pytest.approx(2 * 10.0 + (100.0 + 4 * 3.4) + 2 * 3.4)
    assert row.train_seconds == 2.5  # of complete runs alone


def test_energy_is_a_sum_only_where_every_run_tells_it(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    for spec in [*_of(planned, "pathway"), *_of(planned, "baseline")[1:]]:
        _attempts(planned.folder(spec), {"energy_joules": 50.0})
    costs = _costs(planned)
    assert _row(costs, "pathway").energy_joules == pytest.approx(200.0)
    assert _row(costs, "baseline").energy_joules is None
    assert costs.tells_energy
    assert costs.devices[0].energy_joules is None


def test_latency_is_the_median_of_the_ratios_within_runs(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    measured = [(2.0, 1.0), (30.0, 10.0), (1.0, 1.0), (8.0, 2.0)]  # 2, 3, 1 and 4 times a plain model's
    for spec, (own, plain) in zip(_of(planned, "pathway"), measured, strict=True):
        _attempts(planned.folder(spec), {"inference": {"batch": 8, "latency_ms": own, "plain_latency_ms": plain}})
    costs = _costs(planned)
    assert _row(costs, "pathway").latency == Spread(2.5, 1.75, 3.25, 4)
    assert _row(costs, "baseline").latency is None


def test_training_times_of_different_devices_are_not_mixed(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    _attempts(planned.folder(_of(planned, "pathway")[0]), {"device": "cuda", "device_name": "a GPU"})
    costs = _costs(planned)
    assert _row(costs, "pathway").train_seconds is None
    assert _row(costs, "baseline").train_seconds == 2.5
    assert [(item.device, item.device_name, item.finetuned, item.pretrained) for item in costs.devices] == [
        ("cpu", "a processor", 15, 4),
        ("cuda", "a GPU", 1, 0),
    ]
    assert sum(item.device_seconds for item in costs.devices) == pytest.approx(20 * 3.4)


def test_the_plain_models_size_is_a_baselines_where_a_method_does_not_merge(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    for method, parameters in (("baseline", 190_000), ("pathway", 300_000)):
        for spec in _of(planned, method):
            path = planned.folder(spec) / RECORD
            documents.write_json(path, documents.read_json(path) | {"parameters": parameters, "merge": None})
    row = _row(_costs(planned), "pathway")
    assert (row.parameters, row.plain_parameters) == (300_000, 190_000)


def test_a_run_that_parts_share_counts_in_each_part_and_once_in_all(tmp_path: Path) -> None:
    planned = _study(tmp_path)
    costs = _costs(planned, {"some": _of(planned, "baseline"), "all": planned.specs})
    assert [item.condition.part for item in costs.conditions] == ["all", "some"]
    assert [item.methods[0].device_seconds for item in costs.conditions] == [pytest.approx(4 * 3.4)] * 2
    assert (costs.devices[0].finetuned, costs.devices[0].pretrained) == (16, 4)


def test_a_study_that_was_executed_nowhere_costs_nothing_known(tmp_path: Path) -> None:
    costs = _costs(synthetic.plan(tmp_path, 1, targets=TARGETS, epochs=1))
    assert (costs.conditions, costs.devices) == ((), ())
