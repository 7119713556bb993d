from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.cells import Cell, CellKey, Condition, Run, cells
from m2pt.analysis.numbers.draws import Draw
from m2pt.runs.folder import RECORD, read_history
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from m2pt.runs.table import read_table
from tests.analysis import synthetic
from tests.run_records import finetune_record


def _lines(planned: synthetic.Planned, target: str, auxiliary: str, epoch: int) -> list[dict[str, float]]:
    specs = [spec for spec in planned.specs if (spec.target, spec.auxiliary) == (target, auxiliary)]
    return [read_history(planned.folder(spec))[epoch - 1] for spec in specs]


def _key(target: str, method: str, auxiliary: str) -> CellKey:
    return CellKey(Condition("pretrained", "full"), target, method, auxiliary)


def _cells(planned: synthetic.Planned) -> list[Cell]:
    return cells(read_table(planned.specs, planned.runs))


def test_curves_are_means_over_seeds_with_their_interval(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    known = _cells(planned)
    curves = trajectories.curves(trajectories.history(known, planned.runs), known)
    rows = curves[_key("image", "pathway", "audio")]
    (row,) = rows[(rows["epoch"] == 2) & (rows["metric"] == "val/accuracy")].itertuples()
    values = [line["val/accuracy"] for line in _lines(planned, "image", "audio", 2)]
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert (row.n, row.mean) == (3, pytest.approx(sum(values) / 3))
    assert row.mean - row.half_width == pytest.approx(interval.low)


def test_curves_of_draws_that_share_encoders_have_the_interval_over_replicates(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path, seeds=6, targets=("image",), epochs=2)
    specs = [spec.model_copy(update={"replicate": spec.seed % 3}) for spec in planned.specs]
    planned = synthetic.complete(replace(planned, specs=specs))
    known = cells(read_table(specs, planned.runs))
    curves = trajectories.curves(trajectories.history(known, planned.runs), known)[_key("image", "baseline", "")]
    row = curves[(curves["metric"] == "val/accuracy") & (curves["epoch"] == 2)].iloc[0]
    of_runs = {spec.seed: read_history(planned.folder(spec))[1]["val/accuracy"] for spec in specs if spec.method == "baseline"}
    means = [(of_runs[place] + of_runs[place + 3]) / 2 for place in range(3)]
    interval = stats.ttest_1samp(means, 0).confidence_interval()
    assert row["mean"] == pytest.approx(np.mean(means))
    assert row["half_width"] == pytest.approx((interval.high - interval.low) / 2)
    assert row["n"] == 6


def test_scales_of_opposite_sign_do_not_cancel(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    known = _cells(planned)
    scales = trajectories.scales(trajectories.history(known, planned.runs), known)
    name = "scale/blocks.3.mlp.fc1"
    values = [line[name] for line in _lines(planned, "audio", "image", 2)]
    rows = scales[_key("audio", "pathway", "image")]
    (row,) = rows[(rows["epoch"] == 2) & (rows["layer"] == "mlp.fc1") & (rows["depth"] == 3)].itertuples()
    assert row.scale == pytest.approx(sum(abs(value) for value in values) / 3)
    assert {key.method for key in scales} == {"pathway", "random_auxiliary", "own_lineage"}
    assert sum(map(len, scales.values())) == 6 * 2 * 16  # cells with an auxiliary, epochs, joined layers


def test_of_several_auxiliaries_each_has_its_scales() -> None:
    key = _key("image", "all_auxiliaries", "audio+point")
    cell = Cell(*key, "accuracy", {Draw(seed): Run(seed, "run", "complete") for seed in range(2)})
    names = [f"{kind}/blocks.11.attn.qkv.{number}" for kind in ("scale", "effective_size") for number in (0, 1)]
    lines = pd.DataFrame(
        [
            {"cell": 0, "epoch": 1, "seed": seed} | dict(zip(names, values, strict=True))
            for seed, values in enumerate([(0.1, -0.5, 1.0, 2.0), (-0.3, 0.7, 3.0, 4.0)])
        ]
    )
    scales = trajectories.scales(lines, [cell])[key]
    values = scales[["source", "layer", "depth", "scale", "effective_size", "n"]].itertuples(index=False, name=None)
    assert list(values) == [
        ("audio", "attn.qkv", 11, pytest.approx(0.2), 2.0, 2),
        ("point", "attn.qkv", 11, pytest.approx(0.6), 3.0, 2),
    ]
    records = {"run": finetune_record(scales={"blocks.11.attn.qkv.0": 0.1, "blocks.11.attn.qkv.1": -0.5})}
    (row,) = trajectories.final_scales(records, [cell.only([Draw(0)])])
    assert row.layers == {"attn.qkv": pytest.approx(0.3), "attn.proj": None, "mlp.fc1": None, "mlp.fc2": None}


def test_runs_that_are_not_complete_leave_no_trace(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=2))
    stopped = next(spec for spec in planned.specs if spec.auxiliary == "audio" and spec.target == "image")
    (planned.folder(stopped) / RECORD).unlink()
    known = _cells(planned)
    curves = trajectories.curves(trajectories.history(known, planned.runs), known)
    assert set(curves[_key("image", "pathway", "audio")]["n"]) == {2}


def test_final_scales_are_those_of_the_records(tmp_path: Path) -> None:
    planned = synthetic.complete(synthetic.plan(tmp_path, targets=("image", "audio"), epochs=1))
    records = {name: read_record(planned.runs / name, FinetuneRecord) for name in map(run_id, planned.specs)}
    rows = {(row.cell.target, row.cell.auxiliary): row for row in trajectories.final_scales(records, _cells(planned))}

    def spec_of(seed: int) -> RunSpec:
        return next(spec for spec in planned.specs if (spec.target, spec.auxiliary, spec.seed) == ("image", "random", seed))

    means = [read_record(planned.folder(spec_of(seed)), FinetuneRecord).scale_abs_mean for seed in range(3)]
    assert rows["image", "random"].scale == pytest.approx(sum(means) / 3)
    assert ("image", "") not in rows  # a baseline has no scales


def test_nothing_complete_gives_empty_tables(tmp_path: Path) -> None:
    planned = synthetic.plan(tmp_path)
    known = _cells(planned)
    lines = trajectories.history(known, planned.runs)
    assert trajectories.curves(lines, known) == {}
    assert trajectories.scales(lines, known) == {}


def test_scales_of_several_entries_count_by_their_mean_size_and_their_largest_entry() -> None:
    key = _key("image", "pathway", "audio")
    cell = Cell(*key, "accuracy", {Draw(0): Run(0, "run", "complete")})
    place = {"cell": 0, "epoch": 1, "seed": 0}
    lines = pd.DataFrame([place | {"scale/blocks.1.mlp.fc1/abs_mean": 0.25, "effective_size/blocks.1.mlp.fc1": 3.0}])
    (row,) = trajectories.scales(lines, [cell])[key].to_dict("records")
    assert (row["layer"], row["depth"], row["scale"], row["effective_size"]) == ("mlp.fc1", 1, 0.25, 3.0)
    records = {"run": finetune_record(scales={"blocks.1.mlp.fc1/abs_mean": 0.25}, scale_abs_max=0.9)}
    (final,) = trajectories.final_scales(records, [cell])
    assert (final.scale, final.largest, final.layers["mlp.fc1"]) == (0.25, 0.9, 0.25)


def test_the_convolutions_of_a_layer_type_are_taken_together():
    scales = {
        "blocks.0.conv_dw": 0.1,
        "blocks.1.conv_dw.large": -0.3,
        "blocks.1.conv_dw.k5r1": 0.2,
        "blocks.1.se.fc1/abs_mean": 0.5,
    }
    cell = SimpleNamespace(runs={0: SimpleNamespace(run_id="r")})
    record = SimpleNamespace(scales=scales, effective_sizes={"blocks.0.conv_dw": 0.4}, largest_scale=0.5)
    (row,) = trajectories.final_scales({"r": record}, [cell])
    assert row.layers["conv_dw"] == pytest.approx(0.2) and row.layers["se"] == 0.5 and row.layers["attn.qkv"] is None
    assert trajectories.layer_types([row]) == ("conv_dw", "se")
    transformer = replace(row, layers={"attn.qkv": 0.1, "attn.proj": None, "mlp.fc1": None, "mlp.fc2": None})
    assert trajectories.layer_types([transformer]) == ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
